import * as v from "valibot";
import { isDependency } from "../dependencies/dependencies.ts";
import { pageOf } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { commandOrigin } from "../lib/circuit-breaker/rules/index.ts";
import { count, operation, page } from "./operation.ts";

const tag = "operations";
const state = v.picklist(["CLOSED", "OPEN", "HALF_OPEN"]);

const name = {
  schema: v.pipe(v.string(), v.check(isDependency)),
  names: "circuit breaker",
  encoded: true,
} as const;

const transition = v.strictObject({
  id: count,
  at: time,
  from: state,
  to: state,
  epoch: count,
  cause: v.string(),
  actor: v.string(),
  reason: v.optional(v.string()),
});

const breaker = v.strictObject({
  name: v.string(),
  state,
  override: v.string(),
  epoch: count,
  failures: count,
  calls: count,
  retryAfterMs: v.number(),
  lastTransition: v.optional(transition),
});

export const listCircuitBreakers = operation({
  id: "listCircuitBreakers",
  method: "GET",
  path: "/api/admin/circuit-breakers",
  access: "viewer",
  tag,
  summary:
    "Every breaker. A breaker whose object does not answer is UNREACHABLE; the others are listed.",
  answers: {
    200: v.strictObject({
      items: v.array(
        v.union([breaker, v.strictObject({ name: v.string(), state: v.literal("UNREACHABLE") })]),
      ),
    }),
  },
  problems: [],
});

export const circuitBreakerHistory = operation({
  id: "circuitBreakerHistory",
  method: "GET",
  path: "/api/admin/circuit-breakers/:name/history",
  access: "viewer",
  tag,
  summary: "A breaker's transitions, newest first.",
  params: { name },
  query: v.strictObject({
    limit: pageOf.entries.limit,
    cursor: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[1-9]\d{0,8}$/, "is not a cursor of this list"),
        v.transform(Number),
      ),
    ),
  }),
  answers: { 200: page(transition) },
  problems: ["unavailable"],
});

const { reason } = commandOrigin.entries;

const command = <const Id extends string, const Body extends v.GenericSchema>(
  id: Id,
  action: string,
  summary: string,
  body: Body,
) =>
  operation({
    id,
    method: "POST",
    path: `/api/admin/circuit-breakers/:name/${action}`,
    access: "admin",
    tag,
    summary,
    params: { name },
    body,
    answers: { 200: breaker },
    problems: ["outcome-unknown"],
  });

const why = v.strictObject({ reason });

export const resetCircuitBreaker = command(
  "resetCircuitBreaker",
  "reset",
  "Close the breaker, clear its counts and lift any override.",
  why,
);
export const closeCircuitBreaker = command(
  "closeCircuitBreaker",
  "close",
  "Force the breaker closed: let every call through, but count failures.",
  why,
);
export const disableCircuitBreaker = command(
  "disableCircuitBreaker",
  "disable",
  "Disable the breaker: let every call through and count nothing.",
  why,
);
export const enableCircuitBreaker = command(
  "enableCircuitBreaker",
  "enable",
  "Lift any override.",
  why,
);
export const openCircuitBreaker = command(
  "openCircuitBreaker",
  "open",
  "Force the breaker open until a time (at most 30 days ahead) or until another command.",
  v.strictObject({ reason, until: v.optional(timestamp) }),
);

export const resetCacheBreaker = operation({
  id: "resetCacheBreaker",
  method: "POST",
  path: "/api/admin/cache/reset-circuit-breaker",
  access: "admin",
  tag,
  summary: "Reset the breaker of the cache. Needs neither its name nor a reason.",
  body: v.strictObject({
    reason: v.optional(reason, "reset through POST /api/admin/cache/reset-circuit-breaker"),
  }),
  answers: { 200: breaker },
  problems: ["outcome-unknown"],
});

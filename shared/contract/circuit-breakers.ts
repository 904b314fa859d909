import * as v from "valibot";
import { pageOf } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { commandOrigin } from "../lib/circuit-breaker/rules/index.ts";
import { count, operation, page } from "./operation.ts";

const tag = "operations";
const state = v.picklist(["CLOSED", "OPEN", "HALF_OPEN"]);

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
    "Every breaker as its object has it. One that does not answer is UNREACHABLE, and hides no other.",
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
  summary: "Transitions of a breaker, newest first.",
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
  problems: ["not-found", "unavailable"],
});

const { reason } = commandOrigin.entries;

const verb = <const Body extends v.GenericSchema>(
  id: string,
  name: string,
  summary: string,
  body: Body,
) =>
  operation({
    id,
    method: "POST",
    path: `/api/admin/circuit-breakers/:name/${name}`,
    access: "admin",
    tag,
    summary,
    body,
    answers: { 200: breaker },
    problems: ["not-found", "outcome-unknown"],
  });

const why = v.strictObject({ reason });

export const resetCircuitBreaker = verb(
  "resetCircuitBreaker",
  "reset",
  "Closed, counting from nothing, no override.",
  why,
);
export const closeCircuitBreaker = verb(
  "closeCircuitBreaker",
  "close",
  "Let everything through and never open, but count.",
  why,
);
export const disableCircuitBreaker = verb(
  "disableCircuitBreaker",
  "disable",
  "Let everything through and count nothing.",
  why,
);
export const enableCircuitBreaker = verb(
  "enableCircuitBreaker",
  "enable",
  "Lift any override.",
  why,
);
export const openCircuitBreaker = verb(
  "openCircuitBreaker",
  "open",
  "Reject every guarded call, until a time (at most 30 days ahead) or until another verb.",
  v.strictObject({ reason, until: v.optional(timestamp) }),
);

export const resetCacheBreaker = operation({
  id: "resetCacheBreaker",
  method: "POST",
  path: "/api/admin/cache/reset-circuit-breaker",
  access: "admin",
  tag,
  summary: "Reset the breaker of the cache, without having to know its name or to give a reason.",
  body: v.strictObject({
    reason: v.optional(reason, "reset through POST /api/admin/cache/reset-circuit-breaker"),
  }),
  answers: { 200: breaker },
  problems: ["outcome-unknown"],
});

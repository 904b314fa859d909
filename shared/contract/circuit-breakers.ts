import * as v from "valibot";
import { NOT_A_CURSOR, pageOf } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { commandOrigin } from "../lib/circuit-breaker/rules/index.ts";
import { named } from "../lib/worker/named.ts";
import { isBreakerName } from "../telemetry/rules/breaker-registry.ts";
import { count, operation, page } from "./operation.ts";

const tag = "operations";
const state = v.picklist(["CLOSED", "OPEN", "HALF_OPEN"]);

const name = {
  schema: v.pipe(v.string(), v.check(isBreakerName)),
  names: "circuit breaker",
  encoded: true,
} as const;

const transition = named("CircuitBreakerTransition", {
  id: count,
  at: time,
  from: state,
  to: state,
  epoch: count,
  cause: v.string(),
  actor: v.string(),
  reason: v.optional(v.string()),
});

const announced = {
  name: v.string(),
  state,
  override: v.string(),
  epoch: count,
  lastTransition: v.optional(transition),
  outage: v.optional(v.strictObject({ since: time, reason: v.optional(v.string()) })),
};

/**
 * `rampShare`: after a successful probe, the share of the calls that runs, from 0 to 1.
 * `heldCalls`: calls of the window that isolates held back because all their own calls failed.
 * `thresholdsDiffer`: callers ask for different thresholds; those of the first one count.
 */
const breaker = named("CircuitBreaker", {
  ...announced,
  failures: count,
  calls: count,
  retryAfterMs: v.number(),
  windowSeconds: v.optional(v.number()),
  rampShare: v.optional(v.number()),
  slowCalls: v.optional(count),
  heldCalls: v.optional(count),
  thresholdsDiffer: v.optional(v.literal(true)),
});
/**
 * `used`: whether this Luna calls the dependency, by its settings; for the breaker of another
 * Worker, whether it announced itself within two days.
 */
const used = { used: v.boolean() };

export const listCircuitBreakers = operation({
  id: "listCircuitBreakers",
  method: "GET",
  path: "/api/admin/circuit-breakers",
  access: "viewer",
  tag,
  summary:
    "Every breaker: the built-in ones, and those that other Workers use, with reportedAt. One " +
    "whose object does not answer is UNREACHABLE; the others are listed. outage: since when it " +
    "is not closed, and why it opened last. used: false if there is no such transport or " +
    "webhook, or if nothing used the breaker of another Worker for two days. registry: how many " +
    "of those are listed, and how many are refused because the list is full, or because their " +
    "name may be an address or a key; absent if the list was not read.",
  answers: {
    200: v.strictObject({
      items: v.array(
        v.union([
          v.strictObject({ ...breaker.entries, ...used }),
          v.strictObject({ ...announced, ...used, reportedAt: time }),
          v.strictObject({ name: v.string(), state: v.literal("UNREACHABLE"), ...used }),
        ]),
      ),
      registry: v.optional(
        v.strictObject({
          names: count,
          limit: count,
          refused: v.strictObject({ full: count, name: count }),
        }),
      ),
    }),
  },
  problems: [],
});

export const getCircuitBreaker = operation({
  id: "getCircuitBreaker",
  method: "GET",
  path: "/api/admin/circuit-breakers/:name",
  access: "viewer",
  tag,
  summary: "One breaker, as its object has it now.",
  params: { name },
  answers: { 200: breaker },
  problems: ["unavailable"],
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
      v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/, NOT_A_CURSOR), v.transform(Number)),
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
    problems: ["outcome-unknown", "unavailable"],
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

/**
 * A circuit breaker that a whole fleet of Workers shares. One Durable Object per dependency counts
 * the failures of all isolates. Each isolate decides from a snapshot, so a call does not wait for
 * the object while the breaker is closed.
 *
 * A Worker hosts the object by exporting its class, with a binding and a migration in its
 * `wrangler.toml`. With `script_name = "luna-api"` in the binding it shares Luna's objects, and
 * needs neither the export nor the migration:
 *
 *     export { CircuitBreaker } from "luna-backend/circuit-breaker";
 *
 *     [[durable_objects.bindings]]
 *     name = "CIRCUIT_BREAKER"
 *     class_name = "CircuitBreaker"
 *     [[migrations]]
 *     tag = "v1"
 *     new_sqlite_classes = ["CircuitBreaker"]
 */

// Outside this folder, import from here, or from `rules/index.ts` what needs no Workers runtime.

// For every Worker: the public surface of `luna-backend/circuit-breaker`.
export { fail, ok, type Result } from "../base/result.ts";
export {
  breakerClient,
  guard,
  type BreakerEnv,
  type BreakerOptions,
  type Guard,
  type GuardOptions,
} from "./guard.ts";
export type { CallOptions, CallPolicy } from "./isolate/executor.ts";
export { isServerFailure } from "./isolate/http-answer.ts";
export { CircuitOpen } from "./isolate/circuit-open.ts";
export { defaultRetries, type GuardFailure, type RetrySettings } from "./isolate/retry.ts";
export type { BreakerHost } from "./object/announcement.ts";
export type { BreakerStanding } from "./object/announcer.ts";
export { CircuitBreaker } from "./object/object.ts";
export type { Admission } from "./rules/admission.ts";
export type { CircuitBreakerRpc } from "./rules/rpc.ts";

// For Luna's own Workers, without documentation for others.
export { isolateBreaker } from "./guard.ts";

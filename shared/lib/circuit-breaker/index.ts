/**
 * A circuit breaker that a whole fleet of Workers shares. One Durable Object per dependency counts
 * the failures of all isolates. Each isolate decides from a snapshot, so a call never waits for the
 * object while the breaker is closed.
 *
 * Outside this folder, import from here, or from `rules/index.ts` where there is no Workers
 * runtime.
 */
export { fail, ok, type Result } from "../base/result.ts";
export {
  breakerClient,
  guard,
  leaseOn,
  type BreakerEnv,
  type BreakerOptions,
  type Guard,
  type GuardOptions,
} from "./guard.ts";
export type { CallOptions, CallPolicy } from "./isolate/executor.ts";
export { CircuitOpen } from "./isolate/circuit-open.ts";
export { defaultRetries, type GuardFailure, type RetrySettings } from "./isolate/retry.ts";
export { CircuitBreaker } from "./object/object.ts";
export type { CircuitBreakerRpc, Inspection, Order, RecordedTransition } from "./rules/rpc.ts";
export type { BreakerVariables } from "./rules/variables.ts";
export type { Admission } from "./rules/view.ts";

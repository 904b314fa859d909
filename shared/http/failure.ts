import type { Invalid } from "../lib/worker/validate.ts";
import type { Misconfigured } from "../lib/worker/variables.ts";

/**
 * Every way in which a request can fail, as a tagged value. `shared/http/problem.ts` turns each
 * into its RFC 9457 answer.
 */
export type Failure =
  | Invalid
  | { tag: "malformed-json"; detail: string }
  | { tag: "unsupported-media-type"; expected: string }
  | { tag: "body-too-large"; limitBytes: number }
  | { tag: "unauthenticated" }
  /** A webhook that its provider did not sign, or that is too old. */
  | { tag: "bad-signature" }
  | { tag: "forbidden"; detail: string }
  | { tag: "not-found"; what: string }
  | { tag: "method-not-allowed"; allow: string[] }
  | { tag: "conflict"; field: string }
  | { tag: "wrong-state"; detail: string }
  /** The recipient gets no such mail. */
  | { tag: "suppressed"; reason: "bounce" | "complaint" | "unsubscribe" | "manual" }
  | { tag: "idempotency-key-reused" }
  | { tag: "rate-limited"; retryAfterMs: number }
  | { tag: "uri-too-long"; limitBytes: number }
  | { tag: "headers-too-large"; limitBytes: number }
  | { tag: "unavailable"; dependency: Dependency }
  /** The dependency is not asked at all. */
  | { tag: "circuit-open"; dependency: string; retryAfterMs: number }
  | { tag: "outcome-unknown" }
  | Misconfigured
  | { tag: "internal" };

type Dependency = "database" | "scheduler" | "circuit breaker" | "tag index" | "telemetry";

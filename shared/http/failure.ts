import type { Invalid } from "../lib/worker/validate.ts";
import type { Misconfigured } from "../lib/worker/variables.ts";

/** Every failure of a request, as a tagged value. `problem.ts` makes the RFC 9457 answer. */
export type Failure =
  | Invalid
  | { tag: "malformed-json"; detail: string }
  | { tag: "unsupported-media-type"; expected: string }
  | { tag: "body-too-large"; limitBytes: number }
  | { tag: "unauthenticated" }
  /** A webhook without a valid signature of its provider, or with a signature that is too old. */
  | { tag: "bad-signature" }
  | { tag: "forbidden"; detail: string }
  | { tag: "not-found"; what: string }
  | { tag: "method-not-allowed"; allow: string[] }
  | { tag: "conflict"; field: string }
  | { tag: "wrong-state"; detail: string }
  /** The recipient gets no such email. */
  | { tag: "suppressed"; reason: "bounce" | "complaint" | "unsubscribe" | "manual" }
  | { tag: "idempotency-key-reused" }
  | { tag: "rate-limited"; retryAfterMs: number }
  | { tag: "uri-too-long"; limitBytes: number }
  | { tag: "headers-too-large"; limitBytes: number }
  | { tag: "unavailable"; dependency: Dependency }
  /** The dependency is not called. */
  | { tag: "circuit-open"; dependency: string; retryAfterMs: number }
  | { tag: "outcome-unknown" }
  | Misconfigured
  | { tag: "internal" };

type Dependency = "database" | "scheduler" | "circuit breaker" | "tag index" | "telemetry";

import type { Invalid } from "../lib/worker/validate.ts";
import type { Misconfigured } from "../lib/worker/variables.ts";

/** Every failure of a request, as a tagged value. `problem.ts` makes the RFC 9457 answer. */
export type Failure =
  | Invalid
  | { tag: "malformed-json"; detail: string }
  | { tag: "unsupported-media-type"; expected: string }
  | { tag: "length-required" }
  | { tag: "body-too-large"; limitBytes: number }
  /** The client went away before its body had arrived. It receives no answer. */
  | { tag: "aborted" }
  | { tag: "unauthenticated" }
  /** A webhook without a valid signature of its provider, or with a signature that is too old. */
  | { tag: "bad-signature" }
  | { tag: "forbidden"; detail: string }
  /** The user of the key or of the link is suspended. */
  | { tag: "account-suspended" }
  /** The object is not as the caller read it: `If-Match`. */
  | { tag: "precondition-failed" }
  | { tag: "not-found"; what: string }
  | { tag: "method-not-allowed"; allow: string[] }
  | { tag: "conflict"; field: string }
  | { tag: "wrong-state"; detail: string }
  /** The recipient gets no such email. Why is the operator's business, and no other tenant's. */
  | {
      tag: "suppressed";
      reason: "bounce" | "complaint" | "unsubscribe" | "manual" | "undisclosed";
    }
  /** The emails of a day are used up: of the caller's own limit, or of all callers. */
  | { tag: "daily-limit"; by: "own" | "all"; retryAfterMs: number }
  /** With this count the month's usage of a metric would exceed the quota of the user's tier. */
  | {
      tag: "usage-quota";
      metric: string;
      limit: number;
      tier: string;
      used: number;
      retryAfterMs: number;
    }
  /** No email names so many of the tenant's uploaded files that it may upload no more. */
  | { tag: "too-many-files"; retryAfterMs: number }
  | { tag: "idempotency-key-reused" }
  | { tag: "rate-limited"; retryAfterMs: number }
  | { tag: "uri-too-long"; limitBytes: number }
  | { tag: "headers-too-large"; limitBytes: number }
  | { tag: "unavailable"; dependency: Dependency }
  /** D1 answers and wrote nothing. `keepsReserve`: it is nearly full, and what it has is kept. */
  | { tag: "database-full"; keepsReserve: boolean }
  /** The dependency is not called. */
  | { tag: "circuit-open"; dependency: string; retryAfterMs: number }
  | { tag: "outcome-unknown" }
  | Misconfigured
  | { tag: "internal" };

type Dependency =
  | "database"
  | "DNS resolver"
  | "attachment store"
  | "certificate of SNS"
  | "subscription of SNS"
  | "scheduler"
  | "circuit breaker"
  | "heartbeat"
  | "tag index"
  | "telemetry";

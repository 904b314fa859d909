import { retryAfterMsOf } from "../../base/retry-after.ts";

/** What the answer of an HTTP server means for a breaker, whether it was returned or thrown. */

const UNAVAILABLE = 503;

/** The HTTP status of a `Response`, or of an error with a field `status`. Null if there is none. */
export function statusOf(answer: unknown): number | null {
  if (typeof answer !== "object" || answer === null || !("status" in answer)) return null;
  return typeof answer.status === "number" ? answer.status : null;
}

/**
 * How long a server asked callers to wait, in milliseconds: the `Retry-After` of a 503, as a header
 * of a `Response` or as a field `retryAfterMs` of an error. 0 if it did not.
 */
export function requestedWaitMs(answer: unknown, now: number): number {
  if (statusOf(answer) !== UNAVAILABLE) return 0;
  const waitMs =
    answer instanceof Response
      ? retryAfterMsOf(answer.headers.get("Retry-After"), now)
      : (answer as { retryAfterMs?: unknown }).retryAfterMs;
  return typeof waitMs === "number" && waitMs > 0 ? Math.ceil(waitMs) : 0;
}

/** For `resultCountsAsFailure`: a `Response` of a server that fails, 500 and above. */
export function isServerFailure(result: unknown): boolean {
  return result instanceof Response && result.status >= 500;
}

import { retryAfterMsOf } from "../../lib/base/retry-after.ts";

/** What a call of a receiver came to. Pure. */

/** Why no answer came. `deadline`: none within the time limit. */
export type NoAnswer =
  | "deadline"
  | "connection"
  | "refused-url"
  | "refused-target"
  | "lease-expired";

/**
 * `failed`: it counts as an attempt. `busy`: the receiver asked for more time, which uses up no
 * attempt. `gone`: the receiver wants no more (410).
 */
export type WebhookOutcome =
  | { kind: "delivered"; status: number }
  | { kind: "failed"; why: FailedWhy; status: number | null; retryAfterMs: number | null }
  | { kind: "busy"; status: number; retryAfterMs: number }
  | { kind: "gone"; status: 410 };

type FailedWhy = NoAnswer | "status" | "redirect";

export const unanswered = (why: NoAnswer): WebhookOutcome => ({
  kind: "failed",
  why,
  status: null,
  retryAfterMs: null,
});

/** Any 2xx is success. A redirect is a failure: it could lead to an address that is refused. */
export function webhookOutcomeOf(
  status: number,
  retryAfter: string | null,
  now: number,
): WebhookOutcome {
  if (status >= 200 && status < 300) return { kind: "delivered", status };
  if (status === 410) return { kind: "gone", status };
  const retryAfterMs = retryAfterMsOf(retryAfter, now);
  if ((status === 429 || status === 503) && retryAfterMs !== null)
    return { kind: "busy", status, retryAfterMs };
  const why = status >= 300 && status < 400 ? "redirect" : "status";
  return { kind: "failed", why, status, retryAfterMs };
}

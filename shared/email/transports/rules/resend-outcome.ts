import { cut } from "../../../lib/base/cut.ts";
import { retryAfterMsOf } from "../../../lib/base/retry-after.ts";
import type { AttemptDetail, Outcome } from "../../rules/outcome.ts";

/**
 * What an answer of Resend means for the email (https://resend.com/docs/api-reference/errors,
 * .../idempotency-keys; RFC 9110, 15).
 *
 * | Observed | Outcome |
 * |---|---|
 * | 2xx with an id | accepted |
 * | 2xx that cannot be read | unknown |
 * | 429: a limit or a quota | rate-limited; `Retry-After` is the floor |
 * | 401, 402, 403, 407: key, account, domain or proxy | the server failed: not about this email |
 * | 404, 405, 410: the address that we ask is wrong | the same |
 * | 408, 421, 425: it was not processed | the same |
 * | 521, 523, 525, 526, 530: Cloudflare did not reach the provider | the same |
 * | 409: another request with this key is under way, or had another body | unknown |
 * | any other 4xx, such as 400, 413, 422, 451: the request is wrong | refused for good |
 * | any other status | unknown: it may have been processed |
 * | no answer | unknown: it may have arrived |
 *
 * An unknown one is asked about again under the same key, see `rules/transports.ts`.
 */
export function resendOutcome(
  status: number,
  body: unknown,
  retryAfter: string | null,
  now: number,
): Outcome {
  const { id, name, message } = fieldsOf(body);
  const detail: AttemptDetail = {
    transport: "resend",
    phase: "HTTP",
    code: name ?? status,
    text: cut(message ?? `HTTP ${status}`, MAX_TEXT_LENGTH),
  };
  if (status >= 200 && status < 300) {
    if (id === undefined)
      return { kind: "unknown", detail: { ...detail, text: "the answer has no id" } };
    return {
      kind: "accepted",
      detail: { ...detail, code: status, text: "accepted", providerId: id },
    };
  }
  if (status === TOO_MANY || notProcessed.has(status)) {
    const kind = status === TOO_MANY ? "rate_limited" : "server_failed";
    const retryAfterMs =
      retryAfterMsOf(retryAfter, now) ?? (quotas.has(String(detail.code)) ? QUOTA_RETRY_MS : null);
    return { kind, detail, ...(retryAfterMs !== null && { retryAfterMs }) };
  }
  if (status >= 400 && status < 500 && status !== KEY_CONFLICT)
    return { kind: "refused_permanent", detail };
  return { kind: "unknown", detail };
}

/** The API has no form for who is left. Another transport may have one. */
export function resendCannot(text: string): Outcome {
  return { kind: "refused_permanent", detail: { transport: "resend", phase: "API", text } };
}

export function noAnswer(text: string): Outcome {
  return {
    kind: "unknown",
    detail: { transport: "resend", phase: "HTTP", text: cut(text, MAX_TEXT_LENGTH) },
  };
}

/**
 * Whether an outcome is a failure of the provider: it did not answer, failed, or refuses all
 * emails. A limit is none: the transport goes slower instead.
 */
export function countsAsResendFailure({ kind, detail }: Outcome): boolean {
  const code = String(detail.code);
  if (kind === "unknown") return !aboutTheKey.has(code);
  // 403: a domain that is not verified, which may be one tenant's.
  return kind === "server_failed" && code !== "validation_error";
}

const MAX_TEXT_LENGTH = 500;
const MAX_ID_LENGTH = 200;
const KEY_CONFLICT = 409;
const TOO_MANY = 429;
const notProcessed = new Set([
  401, 402, 403, 404, 405, 407, 408, 410, 421, 425, 521, 523, 525, 526, 530,
]);
/** When to look again after a quota of a day or a month, if the provider names no time. */
const QUOTA_RETRY_MS = 3_600_000;
const quotas = new Set(["daily_quota_exceeded", "monthly_quota_exceeded"]);
const aboutTheKey = new Set([
  String(KEY_CONFLICT),
  "concurrent_idempotent_requests",
  "invalid_idempotent_request",
]);

function fieldsOf(body: unknown): { id?: string; name?: string; message?: string } {
  if (typeof body !== "object" || body === null) return {};
  const { id, name, message } = body as Record<string, unknown>;
  return {
    ...(typeof id === "string" && id !== "" && { id: cut(id, MAX_ID_LENGTH) }),
    // Codes are logged, so it has to look like one.
    ...(typeof name === "string" && /^\w{1,64}$/.test(name) && { name }),
    ...(typeof message === "string" && { message }),
  };
}

import { cut } from "../../../lib/base/cut.ts";
import type { AttemptDetail, Outcome } from "../../rules/outcome.ts";

/**
 * What an error of the `send_email` binding means for the email, by its code
 * (https://developers.cloudflare.com/email-service/api/send-emails/workers-api/#error-codes).
 *
 * | Observed | Outcome |
 * |---|---|
 * | payload wrong (`E_VALIDATION_ERROR`, `E_FIELD_MISSING`, `E_TOO_MANY_*`) | refused for good |
 * | a header or the size is wrong (`E_HEADER[S]_*`, `E_CONTENT_TOO_LARGE`) | refused for good |
 * | the recipient is suppressed (`E_RECIPIENT_SUPPRESSED`) | refused for good |
 * | the recipient is not allowed (`[E_RECIPIENT\|RCPT]_NOT_ALLOWED`) | refused for good |
 * | the sender is not set up (`E_SENDER_NOT_VERIFIED`) | the server failed: not about this email |
 * | the domain is not set up (`E_SENDER_DOMAIN_NOT_AVAILABLE`) | the same |
 * | a limit is reached (`E_RATE_LIMIT_EXCEEDED`, `E_DAILY_LIMIT_EXCEEDED`) | rate-limited |
 * | it could not be delivered (`E_DELIVERY_FAILED`) | refused for now |
 * | `E_INTERNAL_SERVER_ERROR`, another code or none, no answer | unknown: it may have been sent |
 */
export function cloudflareError(error: unknown): Outcome {
  const { code, message } = describe(error);
  const detail: AttemptDetail = {
    transport: "cloudflare",
    phase: "SEND",
    ...(code !== null && { code }),
    text: cut(message, MAX_TEXT_LENGTH),
  };
  if (code !== null && aboutTheEmail.test(code)) return { kind: "refused_permanent", detail };
  switch (code) {
    case "E_RATE_LIMIT_EXCEEDED":
      return { kind: "rate_limited", detail };
    case "E_DAILY_LIMIT_EXCEEDED":
      return { kind: "rate_limited", detail, retryAfterMs: DAILY_LIMIT_RETRY_MS };
    case "E_SENDER_NOT_VERIFIED":
    case "E_SENDER_DOMAIN_NOT_AVAILABLE":
      return { kind: "server_failed", detail };
    case "E_DELIVERY_FAILED":
      return { kind: "refused_transient", detail };
    case null:
    default:
      return { kind: "unknown", detail };
  }
}

/** The binding has no field for what this email has. Another transport may. */
export function cloudflareCannot(text: string): Outcome {
  return { kind: "refused_permanent", detail: { transport: "cloudflare", phase: "API", text } };
}

/**
 * Whether an outcome is a failure of the service. A limit is none: the transport goes slower
 * instead. Nor is a sender that is not set up, which may be one tenant's.
 */
export function countsAsCloudflareFailure({ kind, detail }: Outcome): boolean {
  if (kind !== "server_failed") return kind === "unknown";
  return !String(detail.code).startsWith("E_SENDER_");
}

const MAX_TEXT_LENGTH = 500;
const DAILY_LIMIT_RETRY_MS = 3_600_000;
const payload = "VALIDATION_ERROR|FIELD_MISSING|TOO_MANY_\\w+|CONTENT_TOO_LARGE|HEADERS?_\\w+";
const aboutTheEmail = new RegExp(`^(E_(${payload}|RECIPIENT_\\w+)|RCPT_NOT_ALLOWED)$`);

function describe(error: unknown): { code: string | null; message: string } {
  if (!(error instanceof Error)) return { code: null, message: String(error) };
  const { code } = error as Error & { code?: unknown };
  return {
    code: typeof code === "string" && /^(E|RCPT)_\w{1,64}$/.test(code) ? code : null,
    message: error.message,
  };
}

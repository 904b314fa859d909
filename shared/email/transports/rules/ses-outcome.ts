import { cut } from "../../../lib/base/cut.ts";
import type { AttemptDetail, Outcome } from "../../rules/outcome.ts";

/**
 * What an answer of Amazon SES means for the email
 * (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors,
 * .../CommonErrors.html; https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html).
 *
 * | Observed | Outcome |
 * |---|---|
 * | 200 with a MessageId | accepted |
 * | 2xx that cannot be read | unknown |
 * | 429, `TooManyRequestsException`, `LimitExceededException` | rate-limited |
 * | `ThrottlingException` | rate-limited |
 * | each of them, with a text about the quota of a day | rate-limited, for an hour |
 * | `AccountSuspendedException`, `SendingPausedException` | the server failed: the account |
 * | `MailFromDomainNotVerifiedException`, an identity that is not verified | the same: the sender |
 * | `NotFoundException`, 401, 403, 404, `RequestExpired` | the same: settings, key or clock |
 * | `MessageRejected`, `BadRequestException`, 413, any other 4xx | refused for good |
 * | any other status | unknown: it may have been processed |
 * | no answer | unknown: it may have arrived |
 *
 * SES recognizes no repeat.
 */
export function sesOutcome(status: number, type: string | null, body: unknown): Outcome {
  const { messageId, message } = fieldsOf(body);
  const name = errorName(type ?? fieldsOf(body).type);
  const detail: AttemptDetail = {
    transport: "ses",
    phase: "HTTP",
    code: name ?? status,
    text: cut(message ?? `HTTP ${status}`, MAX_TEXT_LENGTH),
  };
  if (status >= 200 && status < 300) {
    return messageId === undefined
      ? { kind: "unknown", detail: { ...detail, text: "the answer has no MessageId" } }
      : {
          kind: "accepted",
          detail: { ...detail, code: status, text: "accepted", providerId: messageId },
        };
  }
  if (status === TOO_MANY || limits.has(name ?? "")) {
    const isOfDay = /daily/i.test(detail.text);
    return { kind: "rate_limited", detail, ...(isOfDay && { retryAfterMs: QUOTA_RETRY_MS }) };
  }
  if (ofSettings.has(name ?? "") || notAllowed.has(status) || isNotVerified(detail.text))
    return { kind: "server_failed", detail };
  return { kind: status >= 400 && status < 500 ? "refused_permanent" : "unknown", detail };
}

/** SES has no form for this email. Another transport may. */
export function sesCannot(text: string): Outcome {
  return { kind: "refused_permanent", detail: { transport: "ses", phase: "API", text } };
}

export function noSesAnswer(text: string): Outcome {
  return {
    kind: "unknown",
    detail: { transport: "ses", phase: "HTTP", text: cut(text, MAX_TEXT_LENGTH) },
  };
}

/**
 * A limit is no failure: the transport goes slower instead. Nor is a sender that SES does not have,
 * which may be one tenant's.
 */
export function countsAsSesFailure({ kind, detail }: Outcome): boolean {
  if (kind !== "server_failed") return kind === "unknown";
  return detail.code !== UNVERIFIED && !isNotVerified(detail.text);
}

const UNVERIFIED = "MailFromDomainNotVerifiedException";

const MAX_TEXT_LENGTH = 500;
const MAX_ID_LENGTH = 200;
const TOO_MANY = 429;
/** When to look again after the quota of a day: SES counts the last 24 hours. */
const QUOTA_RETRY_MS = 3_600_000;
const limits = new Set([
  "TooManyRequestsException",
  "LimitExceededException",
  "ThrottlingException",
]);
const ofSettings = new Set([
  "AccountSuspendedException",
  "SendingPausedException",
  UNVERIFIED,
  "NotFoundException",
  "RequestExpired",
  "IncompleteSignature",
  "InvalidClientTokenId",
  "UnrecognizedClientException",
  "InvalidSignatureException",
]);
const notAllowed = new Set([401, 403, 404]);

/** In the sandbox, or with a sender that is not set up, `MessageRejected` has this text. */
const isNotVerified = (text: string): boolean => /\bnot verified\b/i.test(text);

/** `BadRequestException:http://internal.amazon.com/...` as its name. Codes are logged. */
function errorName(type: string | undefined): string | null {
  const name = type?.split(/[:#]/).find((part) => /^[A-Z][A-Za-z]+$/.test(part));
  return name === undefined || name.length > 64 ? null : name;
}

function fieldsOf(body: unknown): { messageId?: string; message?: string; type?: string } {
  if (typeof body !== "object" || body === null) return {};
  const { MessageId: id, message, Message, __type: type } = body as Record<string, unknown>;
  const text = message ?? Message;
  return {
    ...(typeof id === "string" && id !== "" && { messageId: cut(id, MAX_ID_LENGTH) }),
    ...(typeof text === "string" && { message: text }),
    ...(typeof type === "string" && { type }),
  };
}

/** Failures in the shape of Resend's API. Pure. */

/** The names that the SDK has for the failures that Luna has. */
type ProblemName =
  | "application_error"
  | "daily_quota_exceeded"
  | "internal_server_error"
  | "invalid_api_key"
  | "invalid_attachment"
  | "invalid_from_address"
  | "invalid_idempotency_key"
  | "invalid_idempotent_request"
  | "method_not_allowed"
  | "missing_api_key"
  | "missing_required_field"
  | "not_found"
  | "rate_limit_exceeded"
  | "restricted_api_key"
  | "validation_error";

/** https://resend.com/docs/api-reference/errors */
export type ResendProblem = { statusCode: number; name: ProblemName; message: string };

type FieldError = { path: string; message: string };

/** A problem document of Luna's API (RFC 9457), as far as it is read here. */
export type LunaProblem = {
  type: string;
  status: number;
  detail: string;
  errors?: readonly FieldError[] | undefined;
};

/** Fields of Luna's requests, and what Resend calls them. */
const names = new Map([
  ["contentId", "content_id"],
  ["contentType", "content_type"],
  ["data", "template.variables"],
  ["replyTo", "reply_to"],
  ["sendAt", "scheduled_at"],
]);

/** `attachments.0.contentType` as `attachments.0.content_type`. */
const resendPath = (path: string): string =>
  path
    .split(".")
    .map((part) => names.get(part) ?? part)
    .join(".");

export const validationError = (message: string): ResendProblem => ({
  statusCode: 422,
  name: "validation_error",
  message,
});

export const unsupported = (what: string): ResendProblem =>
  validationError(`Luna does not support ${what}.`);

const PREFIX = "urn:luna:problem:";

/**
 * What a failure of Luna's API is in Resend's.
 *
 * @param hasKey whether the request has a token at all
 */
export function resendProblem(
  { type, status, detail, errors = [] }: LunaProblem,
  hasKey: boolean,
): ResendProblem {
  const message = detail;
  switch (type.slice(PREFIX.length)) {
    case "invalid":
      return ofFields(errors, detail);
    case "malformed-json":
      return { statusCode: 400, name: "validation_error", message };
    case "unauthenticated":
      return hasKey
        ? { statusCode: 403, name: "invalid_api_key", message: "API key is invalid" }
        : { statusCode: 401, name: "missing_api_key", message: "Missing API key" };
    case "forbidden":
      return { statusCode: 401, name: "restricted_api_key", message };
    case "not-found":
      return { statusCode: 404, name: "not_found", message };
    case "method-not-allowed":
      return { statusCode: 405, name: "method_not_allowed", message };
    case "idempotency-key-reused":
      return { statusCode: 409, name: "invalid_idempotent_request", message };
    case "rate-limited":
      return { statusCode: 429, name: "rate_limit_exceeded", message };
    case "daily-limit":
      return { statusCode: 429, name: "daily_quota_exceeded", message };
    default:
      return status >= 500
        ? { statusCode: status, name: nameOf5xx(status), message }
        : { statusCode: status, name: "validation_error", message };
  }
}

const nameOf5xx = (status: number): ProblemName =>
  status === 500 ? "internal_server_error" : "application_error";

function ofFields(errors: readonly FieldError[], detail: string): ResendProblem {
  const [first] = errors;
  if (first === undefined) return validationError(detail);
  const message = errors
    .map(({ path, message: what }) => `The \`${resendPath(path)}\` field ${what}.`)
    .join(" ");
  if (first.path === "Idempotency-Key")
    return { statusCode: 400, name: "invalid_idempotency_key", message };
  if (first.path === "from") return { statusCode: 422, name: "invalid_from_address", message };
  return errors.some(({ message: what }) => what.startsWith("is required"))
    ? { statusCode: 422, name: "missing_required_field", message }
    : validationError(message);
}

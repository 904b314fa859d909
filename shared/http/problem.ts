import { listFields, type FieldError } from "../lib/worker/validate.ts";
import type { Failure } from "./failure.ts";

/** An RFC 9457 problem document. `errors` names every refused field. */
type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: FieldError[];
};

/** The status of each failure's answer. */
export const httpStatusOf = {
  invalid: 422,
  "malformed-json": 400,
  "unsupported-media-type": 415,
  "length-required": 411,
  "body-too-large": 413,
  aborted: 499,
  unauthenticated: 401,
  "bad-signature": 400,
  forbidden: 403,
  "account-suspended": 403,
  "precondition-failed": 412,
  "not-found": 404,
  "method-not-allowed": 405,
  conflict: 409,
  "wrong-state": 409,
  suppressed: 422,
  "daily-limit": 429,
  "usage-quota": 429,
  "too-many-files": 429,
  "idempotency-key-reused": 422,
  "rate-limited": 429,
  "uri-too-long": 414,
  "headers-too-large": 431,
  unavailable: 503,
  "database-full": 503,
  "circuit-open": 503,
  "outcome-unknown": 503,
  misconfigured: 503,
  internal: 500,
} as const satisfies Record<Failure["tag"], number>;

type Wording = { title: string; detail: string; errors?: FieldError[] };

const suppressedBy = {
  bounce: "an earlier email permanently failed",
  complaint: "the recipient reported an earlier email as spam",
  unsubscribe: "the recipient unsubscribed",
  manual: "an operator suppressed the address",
  undisclosed: null,
};

/** What a caller reads about each failure. */
const wordings: {
  [Tag in Failure["tag"]]: (failure: Extract<Failure, { tag: Tag }>) => Wording;
} = {
  invalid: ({ errors }) => ({
    title: "The request is not valid",
    detail: listFields(errors),
    errors,
  }),
  "malformed-json": ({ detail }) => ({ title: "The body is not JSON", detail }),
  "unsupported-media-type": ({ expected }) => ({
    title: "Unsupported content type",
    detail: `Content-Type must be ${expected}.`,
  }),
  "length-required": () => ({
    title: "Length required",
    detail: "Send the size of the body in bytes as Content-Length.",
  }),
  "body-too-large": ({ limitBytes }) => ({
    title: "The body is too large",
    detail: `The body may have at most ${limitBytes} bytes.`,
  }),
  aborted: () => ({
    title: "The request broke off",
    detail: "The connection ended before the body had arrived. Nothing was written.",
  }),
  unauthenticated: () => ({
    title: "Not authenticated",
    detail: "Send a valid token as Authorization: Bearer <token>.",
  }),
  "bad-signature": () => ({
    title: "The signature is not valid",
    detail: "The message is not signed with this endpoint's secret, or the signature is too old.",
  }),
  forbidden: ({ detail }) => ({ title: "Not allowed", detail }),
  "account-suspended": () => ({
    title: "The account is suspended",
    detail:
      "An operator has suspended it. Requests are refused until it is resumed. Nothing is lost.",
  }),
  "precondition-failed": () => ({
    title: "Changed since it was read",
    detail: "The object is not as If-Match names it. Nothing was written.",
  }),
  "not-found": ({ what }) => ({ title: "Not found", detail: `There is no such ${what}.` }),
  "method-not-allowed": ({ allow }) => ({
    title: "Method not allowed",
    detail: `This path supports ${allow.join(", ")}.`,
  }),
  conflict: ({ field }) => ({
    title: "Already taken",
    detail: `This ${field} is already in use.`,
    errors: [{ path: field, message: "is already in use" }],
  }),
  "wrong-state": ({ detail }) => ({ title: "Not possible in this state", detail }),
  suppressed: ({ reason }) => ({
    title: "The recipient is suppressed",
    detail:
      suppressedBy[reason] === null
        ? "The recipient gets no such email."
        : `The recipient gets no such email: ${suppressedBy[reason]}.`,
    errors: [{ path: "to", message: "is suppressed" }],
  }),
  "idempotency-key-reused": () => ({
    title: "Idempotency-Key reused",
    detail: "This Idempotency-Key was used with another body.",
  }),
  "daily-limit": ({ by }) => ({
    title: "The emails of today are used up",
    detail:
      by === "own"
        ? "This key has sent as many emails as it may per day (UTC). Nothing was written."
        : "All keys have sent as many emails as they may per day (UTC). Nothing was written.",
  }),
  "usage-quota": ({ metric, limit, tier, used }) => ({
    title: "The usage of this month is used up",
    detail:
      `The tier ${tier} has a quota of ${limit} ${metric} per month (UTC). ` +
      `${used} are used. Nothing was counted.`,
  }),
  "too-many-files": () => ({
    title: "Too many files without an email",
    detail:
      "No email names so many of your uploaded files that you may upload no more. " +
      "Nothing was written.",
  }),
  "rate-limited": () => ({
    title: "Too many requests",
    detail: "There were too many requests in the last minute. Retry after the time in Retry-After.",
  }),
  "uri-too-long": ({ limitBytes }) => ({
    title: "The URI is too long",
    detail: `The URI may have at most ${limitBytes} bytes.`,
  }),
  "headers-too-large": ({ limitBytes }) => ({
    title: "The header fields are too large",
    detail: `All header fields together may have at most ${limitBytes} bytes.`,
  }),
  unavailable: ({ dependency }) => ({
    title: "Temporarily unavailable",
    detail: `The ${dependency} did not answer. Nothing was written.`,
  }),
  "database-full": ({ keepsReserve }) => ({
    title: "The database is full",
    detail: keepsReserve
      ? "The database is nearly full and takes no new emails and accounts. Nothing was written."
      : "The database has no room for new data. Nothing was written.",
  }),
  "circuit-open": ({ dependency }) => ({
    title: "Temporarily unavailable",
    detail: `The circuit breaker of ${dependency} is open. Nothing was called or written.`,
  }),
  "outcome-unknown": () => ({
    title: "Outcome unknown",
    detail:
      "The write was not confirmed: it may or may not have happened. " +
      "Check before you repeat it; where an Idempotency-Key is taken, repeating under it is safe.",
  }),
  misconfigured: ({ variable, message }) => ({
    title: "Misconfigured",
    detail: `The variable ${variable} ${message}.`,
  }),
  internal: () => ({
    title: "Internal error",
    detail: "The request failed unexpectedly. The log has the cause under its request id.",
  }),
};

/** Where `GET /docs` has the cause of a problem and what to do. */
const helpPath = (tag: Failure["tag"]): string => `/docs#problem-${tag}`;

/** The name of a problem in its document. Released: clients compare it. */
export const problemType = (tag: Failure["tag"]): string => `urn:luna:problem:${tag}`;

/** The one place where a failure becomes wire text. */
export function problemOf(failure: Failure): Problem {
  const { tag } = failure;
  // The tag chooses the wording that takes this failure.
  const wording = wordings[tag] as (failure: Failure) => Wording;
  const { title, detail, errors } = wording(failure);
  return {
    type: problemType(tag),
    title,
    status: httpStatusOf[tag],
    detail,
    ...(errors !== undefined && { errors }),
  };
}

const RETRY_AFTER_SECONDS = 5;
/** Room is made by tasks that run each minute, or by an operator. */
const FULL_SECONDS = 60;

/** Rounded up: a caller that comes back a fraction early is rejected again. */
function retryAfterSeconds(failure: Failure): number {
  return failure.tag === "circuit-open" ||
    failure.tag === "rate-limited" ||
    failure.tag === "too-many-files" ||
    failure.tag === "daily-limit" ||
    failure.tag === "usage-quota"
    ? Math.max(Math.ceil(failure.retryAfterMs / 1_000), 1)
    : failure.tag === "database-full"
      ? FULL_SECONDS
      : RETRY_AFTER_SECONDS;
}

/**
 * The answer to a failed request: `application/problem+json` with the headers that its status
 * requires, and a `Link` to its help. The link is a header because the schema of released clients
 * refuses a further member.
 *
 * @param realm what a token is for, in the answer 401: a word without quotes
 */
export function problemResponse(failure: Failure, realm = "luna"): Response {
  const body = problemOf(failure);
  const headers = new Headers({
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    Link: `<${helpPath(failure.tag)}>; rel="help"`,
  });
  if (body.status === 503 || body.status === 429)
    headers.set("Retry-After", String(retryAfterSeconds(failure)));
  if (failure.tag === "unauthenticated") headers.set("WWW-Authenticate", `Bearer realm="${realm}"`);
  if (failure.tag === "method-not-allowed") headers.set("Allow", failure.allow.join(", "));
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

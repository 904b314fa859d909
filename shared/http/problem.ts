import { listFields, type FieldError } from "../lib/worker/validate.ts";
import type { Failure } from "./failure.ts";

/** An RFC 9457 problem document. `errors` names every field that was refused. */
type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: FieldError[];
};

/** The status of each failure's answer. */
export const statusOf = {
  invalid: 422,
  "malformed-json": 400,
  "unsupported-media-type": 415,
  "body-too-large": 413,
  unauthenticated: 401,
  "bad-signature": 400,
  forbidden: 403,
  "not-found": 404,
  "method-not-allowed": 405,
  conflict: 409,
  "wrong-state": 409,
  suppressed: 422,
  "idempotency-key-reused": 422,
  "rate-limited": 429,
  "uri-too-long": 414,
  "headers-too-large": 431,
  unavailable: 503,
  "circuit-open": 503,
  "outcome-unknown": 503,
  misconfigured: 503,
  internal: 500,
} as const satisfies Record<Failure["tag"], number>;

/** The one place where a failure becomes wire text. */
export function problemOf(failure: Failure): Problem {
  switch (failure.tag) {
    case "invalid":
      return {
        ...problem(failure.tag, "The request is not valid", listFields(failure.errors)),
        errors: failure.errors,
      };
    case "malformed-json":
      return problem(failure.tag, "The body is not JSON", failure.detail);
    case "unsupported-media-type":
      return problem(
        failure.tag,
        "Unsupported content type",
        `Content-Type must be ${failure.expected}.`,
      );
    case "body-too-large":
      return problem(
        failure.tag,
        "The body is too large",
        `The body may have at most ${failure.limitBytes} bytes.`,
      );
    case "unauthenticated":
      return problem(
        failure.tag,
        "Not authenticated",
        "Send a valid token as Authorization: Bearer <token>.",
      );
    case "bad-signature":
      return problem(
        failure.tag,
        "The signature is not valid",
        "The message is not signed with this endpoint's secret, or too old.",
      );
    case "forbidden":
      return problem(failure.tag, "Not allowed", failure.detail);
    case "not-found":
      return problem(failure.tag, "Not found", `There is no such ${failure.what}.`);
    case "method-not-allowed":
      return problem(
        failure.tag,
        "Method not allowed",
        `This path answers ${failure.allow.join(", ")}.`,
      );
    case "conflict":
      return {
        ...problem(failure.tag, "Already taken", `This ${failure.field} is already in use.`),
        errors: [{ path: failure.field, message: "is already in use" }],
      };
    case "wrong-state":
      return problem(failure.tag, "Not possible any more", failure.detail);
    case "suppressed":
      return {
        ...problem(
          failure.tag,
          "The recipient is suppressed",
          `The recipient gets no such mail: ${suppressedBy[failure.reason]}.`,
        ),
        errors: [{ path: "to", message: "is suppressed" }],
      };
    case "idempotency-key-reused":
      return problem(
        failure.tag,
        "Idempotency-Key reused",
        "This Idempotency-Key was used with another body.",
      );
    case "rate-limited":
      return problem(
        failure.tag,
        "Too many requests",
        "There were too many requests in the last minute. Retry-After says when to come back.",
      );
    case "uri-too-long":
      return problem(
        failure.tag,
        "The URI is too long",
        `The URI may have at most ${failure.limitBytes} bytes.`,
      );
    case "headers-too-large":
      return problem(
        failure.tag,
        "The header fields are too large",
        `All header fields together may have at most ${failure.limitBytes} bytes.`,
      );
    case "unavailable":
      return problem(
        failure.tag,
        "Temporarily unavailable",
        `The ${failure.dependency} did not answer. Nothing was written.`,
      );
    case "circuit-open":
      return problem(
        failure.tag,
        "Temporarily unavailable",
        `The circuit breaker of ${failure.dependency} is open: it is not asked until it may have recovered. Nothing was written.`,
      );
    case "outcome-unknown":
      return problem(
        failure.tag,
        "Outcome unknown",
        "The write was not confirmed: it may or may not have happened. Look before you repeat it; with an Idempotency-Key, repeating is safe.",
      );
    case "misconfigured":
      return problem(
        failure.tag,
        "Misconfigured",
        `The variable ${failure.variable} ${failure.message}.`,
      );
    case "internal":
      return problem(
        failure.tag,
        "Internal error",
        "The request failed unexpectedly. The log holds the cause under its request id.",
      );
  }
}

const suppressedBy = {
  bounce: "an earlier one could not be delivered for good",
  complaint: "they reported an earlier one as spam",
  unsubscribe: "they unsubscribed",
  manual: "an operator said so",
};

const RETRY_AFTER_SECONDS = 5;

/** Rounded up: who comes back a fraction early is rejected again. */
function retryAfterSeconds(failure: Failure): number {
  return failure.tag === "circuit-open" || failure.tag === "rate-limited"
    ? Math.max(Math.ceil(failure.retryAfterMs / 1_000), 1)
    : RETRY_AFTER_SECONDS;
}

/**
 * The answer to a failed request: `application/problem+json` with the headers that its status asks
 * for.
 */
export function problemResponse(failure: Failure): Response {
  const body = problemOf(failure);
  const headers = new Headers({
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
  });
  if (body.status === 503 || body.status === 429)
    headers.set("Retry-After", String(retryAfterSeconds(failure)));
  if (failure.tag === "unauthenticated") headers.set("WWW-Authenticate", 'Bearer realm="luna"');
  if (failure.tag === "method-not-allowed") headers.set("Allow", failure.allow.join(", "));
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

function problem(tag: Failure["tag"], title: string, detail: string): Problem {
  return { type: `urn:luna:problem:${tag}`, title, status: statusOf[tag], detail };
}

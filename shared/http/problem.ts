import type { Failure, FieldError } from "../failure.ts";

/** An RFC 9457 problem document. `errors` names every field that was refused. */
type Problem = { type: string; title: string; status: number; detail: string; errors?: FieldError[] };

/** The one place where a failure becomes wire text. */
export function problemOf(failure: Failure): Problem {
  switch (failure.tag) {
    case "invalid":
      return { ...problem(422, failure.tag, "The request is not valid", listFields(failure.errors)), errors: failure.errors };
    case "malformed-json":
      return problem(400, failure.tag, "The body is not JSON", failure.detail);
    case "unsupported-media-type":
      return problem(415, failure.tag, "Unsupported content type", `Content-Type must be ${failure.expected}.`);
    case "body-too-large":
      return problem(413, failure.tag, "The body is too large", `The body may have at most ${failure.limitBytes} bytes.`);
    case "unauthenticated":
      return problem(401, failure.tag, "Not authenticated", "Send a valid token as Authorization: Bearer <token>.");
    case "bad-signature":
      return problem(400, failure.tag, "The signature is not valid", "The message is not signed with this endpoint's secret, or too old.");
    case "forbidden":
      return problem(403, failure.tag, "Not allowed", failure.detail);
    case "not-found":
      return problem(404, failure.tag, "Not found", `There is no such ${failure.what}.`);
    case "method-not-allowed":
      return problem(405, failure.tag, "Method not allowed", `This path answers ${failure.allow.join(", ")}.`);
    case "conflict":
      return {
        ...problem(409, failure.tag, "Already taken", `This ${failure.field} is already in use.`),
        errors: [{ path: failure.field, message: "is already in use" }],
      };
    case "wrong-state":
      return problem(409, failure.tag, "Not possible any more", failure.detail);
    case "suppressed":
      return {
        ...problem(422, failure.tag, "The recipient is suppressed", `The recipient gets no such mail: ${suppressedBy[failure.reason]}.`),
        errors: [{ path: "to", message: "is suppressed" }],
      };
    case "idempotency-key-reused":
      return problem(422, failure.tag, "Idempotency-Key reused", "This Idempotency-Key was used with another body.");
    case "unavailable":
      return problem(503, failure.tag, "Temporarily unavailable", `The ${failure.dependency} did not answer. Nothing was written.`);
    case "circuit-open":
      return problem(
        503,
        failure.tag,
        "Temporarily unavailable",
        `The circuit breaker of ${failure.dependency} is open: it is not asked until it may have recovered. Nothing was written.`,
      );
    case "outcome-unknown":
      return problem(
        503,
        failure.tag,
        "Outcome unknown",
        "The write was not confirmed: it may or may not have happened. Look before you repeat it; with an Idempotency-Key, repeating is safe.",
      );
    case "misconfigured":
      return problem(503, failure.tag, "Misconfigured", `The variable ${failure.variable} ${failure.message}.`);
    case "internal":
      return problem(500, failure.tag, "Internal error", "The request failed unexpectedly. The log holds the cause under its request id.");
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
  return failure.tag === "circuit-open" ? Math.max(Math.ceil(failure.retryAfterMs / 1_000), 1) : RETRY_AFTER_SECONDS;
}

/** The answer to a failed request: `application/problem+json` with the headers that its status asks for. */
export function problemResponse(failure: Failure): Response {
  const body = problemOf(failure);
  const headers = new Headers({ "Content-Type": "application/problem+json", "Cache-Control": "no-store" });
  if (body.status === 503) headers.set("Retry-After", String(retryAfterSeconds(failure)));
  if (failure.tag === "unauthenticated") headers.set("WWW-Authenticate", 'Bearer realm="luna"');
  if (failure.tag === "method-not-allowed") headers.set("Allow", failure.allow.join(", "));
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

function problem(status: number, tag: Failure["tag"], title: string, detail: string): Problem {
  return { type: `urn:luna:problem:${tag}`, title, status, detail };
}

/** What is wrong with each field, in one line. */
export function listFields(errors: FieldError[]): string {
  return errors.map((error) => `${error.path} ${error.message}`).join("; ");
}

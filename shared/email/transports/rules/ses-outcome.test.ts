import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countsAsSesFailure, noSesAnswer, sesOutcome } from "./ses-outcome.ts";

const error = (status: number, type: string, message = "as SES puts it") =>
  sesOutcome(status, type === "" ? null : type, { message });

describe("an answer of SES", () => {
  it("with a MessageId means that it has the email", () => {
    expect(sesOutcome(200, null, { MessageId: "0102-1" })).toMatchObject({
      kind: "accepted",
      detail: { transport: "ses", providerId: "0102-1" },
    });
  });

  // https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
  it.each([
    [400, "AccountSuspendedException", "server_failed", true],
    [400, "BadRequestException", "refused_permanent", false],
    [400, "LimitExceededException", "rate_limited", false],
    [400, "MailFromDomainNotVerifiedException", "server_failed", false],
    [400, "MessageRejected", "refused_permanent", false],
    [404, "NotFoundException", "server_failed", true],
    [400, "SendingPausedException", "server_failed", true],
    [429, "TooManyRequestsException", "rate_limited", false],
    // https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html
    [403, "AccessDeniedException", "server_failed", true],
    [403, "InvalidSignatureException", "server_failed", true],
    [400, "IncompleteSignature", "server_failed", true],
    [400, "InvalidClientTokenId", "server_failed", true],
    [400, "UnrecognizedClientException", "server_failed", true],
    [400, "RequestExpired", "server_failed", true],
    [400, "ThrottlingException", "rate_limited", false],
    [400, "ValidationException", "refused_permanent", false],
    [413, "", "refused_permanent", false],
    [500, "InternalFailure", "unknown", true],
    [503, "ServiceUnavailable", "unknown", true],
    [200, "", "unknown", true],
  ] as const)("%i %s: %s, and counts as a failure of SES: %s", (status, type, kind, counts) => {
    const outcome = error(status, type);
    expect(outcome.kind).toBe(kind);
    expect(countsAsSesFailure(outcome)).toBe(counts);
  });

  it("has its name in a header, with a namespace, or in the body", () => {
    const name = "MessageRejected";
    const detail = { code: name };
    const type = `${name}:http://internal.amazon.com/coral/com.amazonaws.sesv2/`;
    expect(sesOutcome(400, type, {})).toMatchObject({ detail });
    expect(sesOutcome(400, null, { __type: `com.amazonaws.sesv2#${name}` })).toMatchObject({
      detail,
    });
  });

  it("about an identity that is not verified is about the settings, not about the email", () => {
    const text = "Email address is not verified. The following identities failed the check: a@b.cc";
    const outcome = error(400, "MessageRejected", text);
    expect(outcome.kind).toBe("server_failed");
    // It may be the sender of one tenant.
    expect(countsAsSesFailure(outcome)).toBe(false);
  });

  it("about the quota of a day is looked at again in an hour, about a rate sooner", () => {
    const type = "TooManyRequestsException";
    expect(error(429, type, "Daily message quota exceeded.")).toMatchObject({
      retryAfterMs: 3_600_000,
    });
    expect(error(429, type, "Maximum sending rate exceeded.")).not.toHaveProperty("retryAfterMs");
  });

  it("that did not come may have been one", () => {
    expect(noSesAnswer("timed out").kind).toBe("unknown");
  });

  it("of any shape is one of the outcomes, and its code is a word", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 599 }),
        fc.option(fc.string()),
        fc.anything(),
        (status, type, body) => {
          const { detail } = sesOutcome(status, type, body);
          expect(String(detail.code)).toMatch(/^\w{1,64}$/);
        },
      ),
    );
  });
});

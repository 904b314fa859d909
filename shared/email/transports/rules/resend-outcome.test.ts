import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { retryAfterMsOf } from "../../../lib/base/retry-after.ts";
import { countsAsResendFailure, noAnswer, resendOutcome } from "./resend-outcome.ts";

const now = Date.parse("2026-11-25T10:00:00Z");
const error = (status: number, name: string, retryAfter: string | null = null) =>
  resendOutcome(status, { statusCode: status, name, message: "said Resend" }, retryAfter, now);

describe("an answer of Resend", () => {
  it("with an id means that it has the email", () => {
    expect(resendOutcome(200, { id: "49a3999c" }, null, now)).toEqual({
      kind: "accepted",
      detail: {
        transport: "resend",
        phase: "HTTP",
        code: 200,
        text: "accepted",
        providerId: "49a3999c",
      },
    });
  });

  // https://resend.com/docs/api-reference/errors
  it.each([
    [400, "validation_error", "refused_permanent", false],
    [400, "invalid_idempotency_key", "refused_permanent", false],
    [451, "security_error", "refused_permanent", false],
    [401, "missing_api_key", "server_failed", true],
    [401, "restricted_api_key", "server_failed", true],
    [403, "invalid_api_key", "server_failed", true],
    [403, "validation_error", "server_failed", false],
    [404, "not_found", "server_failed", true],
    [405, "method_not_allowed", "server_failed", true],
    [409, "invalid_idempotent_request", "unknown", false],
    [409, "concurrent_idempotent_requests", "unknown", false],
    [422, "invalid_attachment", "refused_permanent", false],
    [422, "missing_required_field", "refused_permanent", false],
    [429, "rate_limit_exceeded", "rate_limited", false],
    [429, "daily_quota_exceeded", "rate_limited", false],
    [429, "monthly_quota_exceeded", "rate_limited", false],
    [500, "application_error", "unknown", true],
    [500, "internal_server_error", "unknown", true],
    [503, "service_unavailable", "unknown", true],
    [521, "", "server_failed", true],
    [524, "", "unknown", true],
  ] as const)(
    "%i %s: %s, and counts as a failure of the provider: %s",
    (status, name, kind, against) => {
      const outcome = error(status, name);
      expect(outcome.kind).toBe(kind);
      expect(outcome.detail).toMatchObject({
        transport: "resend",
        code: name === "" ? status : name,
        text: "said Resend",
      });
      expect(countsAsResendFailure(outcome)).toBe(against);
    },
  );

  // RFC 9110, 15.5: the client erred, so that the request was not carried out.
  it("of 4xx is definite and opens no breaker, except those about more than this email", () => {
    const about = (status: number): string => {
      const outcome = error(status, "");
      return `${outcome.kind}${countsAsResendFailure(outcome) ? ", against the provider" : ""}`;
    };
    const others = new Map<string, number[]>();
    for (let status = 400; status < 500; status += 1)
      others.set(about(status), [...(others.get(about(status)) ?? []), status]);
    expect(others.get("unknown")).toEqual([409]);
    expect(others.get("rate_limited")).toEqual([429]);
    expect(others.get("server_failed, against the provider")).toEqual([
      401, 402, 403, 404, 405, 407, 408, 410, 421, 425,
    ]);
    expect([...others.keys()].toSorted()).toEqual([
      "rate_limited",
      "refused_permanent",
      "server_failed, against the provider",
      "unknown",
    ]);
  });

  it("that cannot be read leaves the outcome open, in any shape", () => {
    for (const body of [null, "", [], {}, { id: "" }, { id: 5 }])
      expect(resendOutcome(200, body, null, now).kind).toBe("unknown");
    expect(noAnswer("the connection was lost")).toMatchObject({ kind: "unknown" });
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 599 }),
        fc.jsonValue(),
        fc.option(fc.string()),
        (status, body, header) => {
          const outcome = resendOutcome(status, body, header, now);
          expect(outcome.kind === "accepted" && status >= 300).toBe(false);
          expect(outcome.detail.text.length).toBeLessThanOrEqual(500);
        },
      ),
    );
  });

  it("logs no code that the provider made up: it could repeat an address", () => {
    expect(
      resendOutcome(422, { name: "bad ada@example.com", message: "m" }, null, now).detail.code,
    ).toBe(422);
  });
});

describe("Retry-After", () => {
  it.each([
    ["120", 120_000],
    ["0", 0],
    ["99999999999", 99_999_999_999_000],
    ["Wed, 25 Nov 2026 10:00:30 GMT", 30_000],
    ["Wed, 25 Nov 2026 09:00:00 GMT", 0],
    [null, null],
    ["", null],
    ["soon", null],
    ["-5", null],
    ["1.5", null],
    ["2026", 2_026_000],
    ["Nov 26", null],
  ])("%j is %s ms", (header, expected) => {
    expect(retryAfterMsOf(header, now)).toBe(expected);
  });

  it("is the floor of the retry", () => {
    expect(error(429, "rate_limit_exceeded", "7")).toMatchObject({ retryAfterMs: 7_000 });
    expect(error(429, "rate_limit_exceeded", "garbage")).not.toHaveProperty("retryAfterMs");
    expect(error(429, "daily_quota_exceeded")).toMatchObject({ retryAfterMs: 3_600_000 });
    expect(error(429, "monthly_quota_exceeded", "60")).toMatchObject({ retryAfterMs: 60_000 });
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { askedWaitMs, classifySmtpError, countsAsSmtpFailure } from "./smtp-outcome.ts";

type Fields = { code?: string; command?: string; responseCode?: number; response?: string };
const error = (fields: Fields): Error => Object.assign(new Error("it failed"), fields);

describe("before the body began", () => {
  it.each<[string, Fields, string]>([
    ["nothing listens", { code: "ESOCKET", command: "CONN" }, "server_failed"],
    [
      "the banner is 554",
      { code: "EPROTOCOL", command: "CONN", responseCode: 554 },
      "server_failed",
    ],
    [
      "EHLO is answered with 421",
      { code: "ECONNECTION", command: "EHLO", responseCode: 421 },
      "server_failed",
    ],
    [
      "STARTTLS is missing",
      { code: "ETLS", command: "STARTTLS", responseCode: 502 },
      "server_failed",
    ],
    [
      "the password is wrong",
      { code: "EAUTH", command: "AUTH PLAIN", responseCode: 535 },
      "server_failed",
    ],
    [
      "MAIL is answered with 451",
      { code: "EENVELOPE", command: "MAIL FROM", responseCode: 451 },
      "refused_transient",
    ],
    [
      "MAIL is answered with 550",
      { code: "EENVELOPE", command: "MAIL FROM", responseCode: 550 },
      "refused_permanent",
    ],
    [
      "RCPT is answered with 450",
      { code: "EENVELOPE", command: "RCPT TO", responseCode: 450 },
      "refused_transient",
    ],
    [
      "RCPT is answered with 550",
      { code: "EENVELOPE", command: "RCPT TO", responseCode: 550 },
      "refused_permanent",
    ],
    [
      "DATA is answered with 452",
      { code: "EENVELOPE", command: "DATA", responseCode: 452 },
      "refused_transient",
    ],
    [
      "DATA is answered with 554",
      { code: "EENVELOPE", command: "DATA", responseCode: 554 },
      "refused_permanent",
    ],
    [
      "the email is larger than SIZE",
      { code: "EMESSAGE", command: "MAIL FROM" },
      "refused_permanent",
    ],
    ["the connection is lost", { code: "ECONNECTION", command: "CONN" }, "server_failed"],
    [
      "what answers does not speak SMTP",
      { code: "EENVELOPE", command: "MAIL FROM", response: "xx yy" },
      "server_failed",
    ],
    ["the email cannot be composed", { command: "API" }, "refused_transient"],
  ])("%s", (_, fields, expected) => {
    expect(classifySmtpError(error(fields), false).kind).toBe(expected);
  });
});

describe("after the body began", () => {
  it.each<[string, Fields, string]>([
    ["the connection is lost", { code: "ECONNECTION", command: "CONN" }, "unknown"],
    ["the server is silent", { code: "ETIMEDOUT", command: "CONN" }, "unknown"],
    [
      "the reply is no refusal, but out of order",
      { code: "EPROTOCOL", command: "CONN", responseCode: 250 },
      "unknown",
    ],
    [
      "the body is answered with 452",
      { code: "EMESSAGE", command: "DATA", responseCode: 452 },
      "refused_transient",
    ],
    [
      "the body is answered with 554",
      { code: "EMESSAGE", command: "DATA", responseCode: 554 },
      "refused_permanent",
    ],
    [
      "the server shuts down with 421",
      { code: "ECONNECTION", command: "CONN", responseCode: 421 },
      "server_failed",
    ],
  ])("%s", (_, fields, expected) => {
    expect(classifySmtpError(error(fields), true).kind).toBe(expected);
  });
});

describe("a refusal for now", () => {
  it.each<[string, string, number?]>([
    // Postgrey, milter-greylist, Exim, SQLgrey and others.
    ["450 4.2.0 <ada@example.com>: Recipient address rejected: Greylisted", "needs_time"],
    ["451 4.7.1 Greylisting in action, please come back in 00:04:58", "needs_time", 298_000],
    ["451 Greylisted, please try again in 60 seconds", "needs_time", 60_000],
    ["450 4.7.1 gray-listed: rate is limited, wait 5 minutes", "needs_time", 300_000],
    ["452 4.2.2 mailbox full", "needs_time"],
    ["452 4.2.2 over quota", "needs_time"],
    ["452 over quota", "refused_transient"],
    ["450 4.2.1 The user is receiving mail at a rate that is too high", "needs_time"],
    ["451 4.7.1 later", "needs_time"],
    ["450 4.4.1 no route to the host of the recipient", "needs_time"],
    ["451 Temporary local problem - please try later", "needs_time"],
    ["451 4.3.0 Try again in 2 hours", "needs_time", 7_200_000],
    // SES, Postfix, Gmail and others.
    ["454 Throttling failure: Maximum sending rate exceeded.", "rate_limited"],
    ["454 4.7.0 Throttling failure: Maximum sending rate exceeded.", "rate_limited"],
    ["454 Throttling failure: Daily message quota exceeded.", "rate_limited", 3_600_000],
    ["450 4.7.0 Too many messages on this connection", "rate_limited"],
    ["450 4.7.1 Error: too much mail from 192.0.2.1", "rate_limited"],
    ["451 4.7.1 rate limit exceeded, retry in 90 s", "rate_limited", 90_000],
    ["452 4.7.1 hourly limit of 100 exceeded; try again after 10 min", "rate_limited", 600_000],
    // Only the code.
    ["451 4.3.0 queue file write error", "refused_transient"],
    ["450 mailbox unavailable", "refused_transient"],
    ["451 requested action aborted: local error in processing", "refused_transient"],
    ["452 4.5.3 Too many recipients", "refused_transient"],
    ["450 4.1.8 the sender's domain was not found", "refused_transient"],
    ["452 4.3.1 insufficient system storage", "server_failed"],
    ["421 4.7.0 too many", "server_failed"],
    ["503 5.5.1 Error: need MAIL command", "server_failed"],
  ])("%s: %s, %s ms", (response, kind, retryAfterMs) => {
    for (const [command, handedOver] of [
      ["MAIL FROM", false],
      ["RCPT TO", false],
      ["DATA", true],
    ] as const) {
      const fields = { command, responseCode: Number(response.slice(0, 3)), response };
      const { detail, ...outcome } = classifySmtpError(error(fields), handedOver);
      expect(outcome).toEqual({ kind, ...(retryAfterMs !== undefined && { retryAfterMs }) });
      expect(detail.text).toBe(response);
    }
  });

  it("names a time only by a number and a unit, or by a clock", () => {
    expect(askedWaitMs("try again in 5 minutes")).toBe(300_000);
    expect(askedWaitMs("retry after 1 hour")).toBe(3_600_000);
    expect(askedWaitMs("come back in 05:00")).toBe(300_000);
    for (const text of ["try again later", "in 5 steps", "5 minutes ago", "wait", "in seconds"])
      expect(askedWaitMs(text)).toBeNull();
  });

  it("takes any text", () => {
    fc.assert(
      fc.property(fc.constantFrom(450, 451, 452, 454), fc.string(), (responseCode, text) => {
        const fields = { command: "RCPT TO", responseCode, response: `${responseCode} ${text}` };
        const { kind } = classifySmtpError(error(fields), false);
        expect(kind).toMatch(/^(needs_time|rate_limited|refused_transient|server_failed)$/);
      }),
    );
  });
});

it("keeps the code, the enhanced code and at most 500 characters of the answer", () => {
  const response = `550 5.7.26 ${"x".repeat(1_000)}`;
  const { detail } = classifySmtpError(
    error({ command: "RCPT TO", responseCode: 550, response }),
    false,
  );
  expect(detail).toEqual({
    transport: "smtp",
    phase: "RCPT TO",
    code: 550,
    enhancedCode: "5.7.26",
    text: response.slice(0, 500),
  });
});

it("takes anything that can be thrown", () => {
  for (const thrown of [null, undefined, "text", 5, {}, new Error("")])
    expect(classifySmtpError(thrown, true).kind).toBe("unknown");
});

describe("for the circuit breaker", () => {
  const against = (fields: Fields, handedOver = false): boolean =>
    countsAsSmtpFailure(classifySmtpError(error(fields), handedOver));

  it.each<[string, Fields]>([
    ["nothing listens", { code: "ESOCKET", command: "CONN" }],
    ["the banner is 554", { code: "EPROTOCOL", command: "CONN", responseCode: 554 }],
    ["the password is wrong", { code: "EAUTH", command: "AUTH PLAIN", responseCode: 535 }],
    ["it shuts down", { code: "EENVELOPE", command: "RCPT TO", responseCode: 421 }],
    ["it knows no sender", { code: "EENVELOPE", command: "RCPT TO", responseCode: 503 }],
    [
      "its email system is full",
      {
        command: "MAIL FROM",
        responseCode: 452,
        response: "452 4.3.1 insufficient system storage",
      },
    ],
    ["it does not speak SMTP", { code: "EENVELOPE", command: "MAIL FROM", response: "xx yy" }],
    [
      "it accepts no email now",
      { command: "RCPT TO", responseCode: 451, response: "451 4.3.2 try later" },
    ],
  ])("the server is at fault when %s", (_, fields) => {
    expect(against(fields)).toBe(true);
  });

  it("the server is at fault when it does not answer what became of an email", () => {
    expect(against({ code: "ETIMEDOUT", command: "CONN" }, true)).toBe(true);
  });

  it.each<[string, Fields]>([
    [
      "greylists",
      { command: "RCPT TO", responseCode: 451, response: "451 4.7.1 greylisted, come back later" },
    ],
    [
      "does not know the user",
      { command: "RCPT TO", responseCode: 550, response: "550 5.1.1 no such user" },
    ],
    [
      "finds the mailbox full",
      { command: "RCPT TO", responseCode: 452, response: "452 4.2.2 mailbox full" },
    ],
    [
      "finds the email too large",
      { command: "MAIL FROM", responseCode: 552, response: "552 5.3.4 message too big" },
    ],
    ["calls the email spam", { command: "DATA", responseCode: 554, response: "554 5.7.1 spam" }],
  ])("the server is there and answers when it %s", (_, fields) => {
    expect(against(fields)).toBe(false);
  });

  it("an email that cannot be composed does not count as a failure of the server", () => {
    expect(against({ command: "API" })).toBe(false);
  });

  it.each<[string, Fields]>([
    [
      "a sender's rate",
      {
        command: "DATA",
        responseCode: 454,
        response: "454 4.7.0 Throttling failure: rate exceeded",
      },
    ],
    [
      "emails of a connection",
      { command: "MAIL FROM", responseCode: 450, response: "450 4.7.0 Too many messages" },
    ],
  ])("a limit does not count as a failure of the server: %s", (_, fields) => {
    expect(against(fields)).toBe(false);
  });

  it("neither an accepted nor a deferred email counts as a failure of the server", () => {
    const detail = { transport: "smtp", phase: "CONN", text: "" };
    expect(countsAsSmtpFailure({ kind: "accepted", detail })).toBe(false);
    expect(countsAsSmtpFailure({ kind: "deferred", detail })).toBe(false);
  });
});

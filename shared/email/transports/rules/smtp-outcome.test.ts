import { describe, expect, it } from "vitest";
import { classifySmtpError, countsAsSmtpFailure } from "./smtp-outcome.ts";

type Fields = { code?: string; command?: string; responseCode?: number; response?: string };
const error = (fields: Fields): Error => Object.assign(new Error("it failed"), fields);

describe("before the body began", () => {
  it.each<[string, Fields, string]>([
    ["nothing listens", { code: "ESOCKET", command: "CONN" }, "refused_transient"],
    [
      "the banner is 554",
      { code: "EPROTOCOL", command: "CONN", responseCode: 554 },
      "refused_transient",
    ],
    [
      "EHLO is answered with 421",
      { code: "ECONNECTION", command: "EHLO", responseCode: 421 },
      "refused_transient",
    ],
    [
      "STARTTLS is missing",
      { code: "ETLS", command: "STARTTLS", responseCode: 502 },
      "refused_transient",
    ],
    [
      "the password is wrong",
      { code: "EAUTH", command: "AUTH PLAIN", responseCode: 535 },
      "refused_transient",
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
    ["the connection is lost", { code: "ECONNECTION", command: "CONN" }, "refused_transient"],
    [
      "what answers does not speak SMTP",
      { code: "EENVELOPE", command: "MAIL FROM", response: "xx yy" },
      "refused_transient",
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
      "refused_transient",
    ],
  ])("%s", (_, fields, expected) => {
    expect(classifySmtpError(error(fields), true).kind).toBe(expected);
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

  it("neither an accepted nor a deferred email counts as a failure of the server", () => {
    const detail = { transport: "smtp", phase: "CONN", text: "" };
    expect(countsAsSmtpFailure({ kind: "accepted", detail })).toBe(false);
    expect(countsAsSmtpFailure({ kind: "deferred", detail })).toBe(false);
  });
});

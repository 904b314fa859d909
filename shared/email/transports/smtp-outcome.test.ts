import { describe, expect, it } from "vitest";
import { classifySmtpError } from "./smtp-outcome.ts";

type Fields = { code?: string; command?: string; responseCode?: number; response?: string };
const error = (fields: Fields): Error => Object.assign(new Error("it failed"), fields);

describe("before the body began", () => {
  it.each<[string, Fields, string]>([
    ["nobody listens", { code: "ESOCKET", command: "CONN" }, "refused_transient"],
    ["the banner is 554", { code: "EPROTOCOL", command: "CONN", responseCode: 554 }, "refused_transient"],
    ["EHLO is answered with 421", { code: "ECONNECTION", command: "EHLO", responseCode: 421 }, "refused_transient"],
    ["STARTTLS is missing", { code: "ETLS", command: "STARTTLS", responseCode: 502 }, "refused_transient"],
    ["the password is wrong", { code: "EAUTH", command: "AUTH PLAIN", responseCode: 535 }, "refused_transient"],
    ["MAIL is answered with 451", { code: "EENVELOPE", command: "MAIL FROM", responseCode: 451 }, "refused_transient"],
    ["MAIL is answered with 550", { code: "EENVELOPE", command: "MAIL FROM", responseCode: 550 }, "refused_permanent"],
    ["RCPT is answered with 450", { code: "EENVELOPE", command: "RCPT TO", responseCode: 450 }, "refused_transient"],
    ["RCPT is answered with 550", { code: "EENVELOPE", command: "RCPT TO", responseCode: 550 }, "refused_permanent"],
    ["DATA is answered with 452", { code: "EENVELOPE", command: "DATA", responseCode: 452 }, "refused_transient"],
    ["DATA is answered with 554", { code: "EENVELOPE", command: "DATA", responseCode: 554 }, "refused_permanent"],
    ["the mail is larger than SIZE", { code: "EMESSAGE", command: "MAIL FROM" }, "refused_permanent"],
    ["the connection is lost", { code: "ECONNECTION", command: "CONN" }, "refused_transient"],
  ])("%s", (_, fields, expected) => {
    expect(classifySmtpError(error(fields), false).kind).toBe(expected);
  });
});

describe("after the body began", () => {
  it.each<[string, Fields, string]>([
    ["the connection is lost", { code: "ECONNECTION", command: "CONN" }, "unknown"],
    ["the server is silent", { code: "ETIMEDOUT", command: "CONN" }, "unknown"],
    ["the reply is no refusal, but out of order", { code: "EPROTOCOL", command: "CONN", responseCode: 250 }, "unknown"],
    ["the body is answered with 452", { code: "EMESSAGE", command: "DATA", responseCode: 452 }, "refused_transient"],
    ["the body is answered with 554", { code: "EMESSAGE", command: "DATA", responseCode: 554 }, "refused_permanent"],
    ["the server shuts down with 421", { code: "ECONNECTION", command: "CONN", responseCode: 421 }, "refused_transient"],
  ])("%s", (_, fields, expected) => {
    expect(classifySmtpError(error(fields), true).kind).toBe(expected);
  });
});

it("keeps the code, the enhanced code and at most 500 characters of what the server said", () => {
  const response = `550 5.7.26 ${"x".repeat(1_000)}`;
  const { detail } = classifySmtpError(error({ command: "RCPT TO", responseCode: 550, response }), false);
  expect(detail).toEqual({ transport: "smtp", phase: "RCPT TO", code: 550, enhancedCode: "5.7.26", text: response.slice(0, 500) });
});

it("takes anything that can be thrown", () => {
  for (const thrown of [null, undefined, "text", 5, {}, new Error("")]) expect(classifySmtpError(thrown, true).kind).toBe("unknown");
});

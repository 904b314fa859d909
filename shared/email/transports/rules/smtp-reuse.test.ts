import { expect, it } from "vitest";
import type { Outcome } from "../../rules/outcome.ts";
import { connectionAfter } from "./smtp-reuse.ts";

const ended = (
  kind: Exclude<Outcome["kind"], "deferred">,
  phase: string,
  code?: number,
): Outcome => ({
  kind,
  detail: { transport: "smtp", phase, text: "", ...(code !== undefined && { code }) },
});

it.each<[string, Outcome, string]>([
  ["accepted", ended("accepted", "BODY", 250), "reuse"],
  ["greylisted", ended("needs_time", "RCPT TO", 450), "reset"],
  ["throttled", ended("rate_limited", "BODY", 454), "reset"],
  ["refused at MAIL", ended("refused_permanent", "MAIL FROM", 550), "reset"],
  ["refused at DATA", ended("refused_permanent", "DATA", 554), "reset"],
  ["refused after the dot", ended("refused_permanent", "BODY", 554), "reset"],
  ["too large for the server", ended("refused_permanent", "MAIL FROM"), "reset"],
  ["answered with 421", ended("server_failed", "RCPT TO", 421), "quit"],
  ["answered with 503", ended("server_failed", "RCPT TO", 503), "quit"],
  ["not begun: the login was refused", ended("server_failed", "AUTH PLAIN", 535), "quit"],
  ["not answered", ended("server_failed", "RCPT TO"), "close"],
  ["lost", ended("unknown", "BODY"), "close"],
])("what becomes of a connection whose email was %s", (_, outcome, next) => {
  expect(connectionAfter(outcome)).toBe(next);
});

import { expect, it } from "vitest";
import { isHardBounce } from "./hard-bounce.ts";
import type { Outcome } from "./outcome.ts";

const smtp = (kind: "refused_transient" | "refused_permanent", phase: string, code: string) =>
  ({ kind, detail: { transport: "smtp", phase, enhancedCode: code, text: code } }) as Outcome;
const cloudflare = (code: string): Outcome => ({
  kind: "refused_permanent",
  detail: { transport: "cloudflare", phase: "SEND", code, text: code },
});

it.each<[string, Outcome, boolean]>([
  ["no such mailbox", smtp("refused_permanent", "RCPT TO", "5.1.1"), true],
  ["no such system", smtp("refused_permanent", "RCPT TO", "5.1.2"), true],
  ["a bad address", smtp("refused_permanent", "RCPT TO", "5.1.3"), true],
  ["a mailbox that moved", smtp("refused_permanent", "RCPT TO", "5.1.6"), true],
  ["a null MX", smtp("refused_permanent", "RCPT TO", "5.1.10"), true],
  ["no such mailbox, after the body", smtp("refused_permanent", "BODY", "5.1.1"), true],
  ["a bad sender", smtp("refused_permanent", "RCPT TO", "5.1.8"), false],
  ["MAIL that is refused with 5.1.1", smtp("refused_permanent", "MAIL FROM", "5.1.1"), false],
  ["a full mailbox", smtp("refused_permanent", "RCPT TO", "5.2.2"), false],
  ["a policy", smtp("refused_permanent", "RCPT TO", "5.7.1"), false],
  ["a refusal for now", smtp("refused_transient", "RCPT TO", "5.1.1"), false],
  ["an address that Cloudflare suppresses", cloudflare("E_RECIPIENT_SUPPRESSED"), true],
  ["an address that is not allowed", cloudflare("E_RECIPIENT_NOT_ALLOWED"), false],
])("whether an address gets no more emails after %s", (_, outcome, bounces) => {
  expect(isHardBounce(outcome)).toBe(bounces);
});

import { describe, expect, it } from "vitest";
import { hardBouncesOf, isHardBounce, namesAddress, withNamedRefused } from "./hard-bounce.ts";
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

const ada = { n: 1, address: "Ada@example.com", state: null };
const bob = { n: 2, address: "bob@example.com", state: null };
const noSuchUser = (text: string, phase = "RCPT TO") => ({
  kind: "refused_permanent" as const,
  detail: { transport: "smtp", phase, code: 550, enhancedCode: "5.1.1", text },
});
const taken = { kind: "accepted" as const, detail: { transport: "smtp", phase: "BODY", text: "" } };

describe("of several recipients", () => {
  it("those are suppressed whose own outcome shows it", () => {
    const both = [1, 2].map((n) => ({ n, outcome: noSuchUser(`550 5.1.1 number ${n}`) }));
    expect(hardBouncesOf({ ...taken, except: both.slice(1) }, [ada, bob])).toEqual([
      { address: "bob@example.com", text: "550 5.1.1 number 2" },
    ]);
    expect(hardBouncesOf({ ...taken, except: both }, [ada, bob])).toHaveLength(2);
  });

  it("nobody is suppressed by one outcome for all, unless only one was handed over", () => {
    expect(hardBouncesOf(noSuchUser("550 5.1.1 no"), [ada, bob])).toEqual([]);
    const others = [{ ...ada, state: "accepted" as const }, bob];
    expect(hardBouncesOf(noSuchUser("550 5.1.1 no"), others)).toEqual([
      { address: "bob@example.com", text: "550 5.1.1 no" },
    ]);
  });

  it("one whom the refusal of all names is refused, and the others are tried again", () => {
    const refusal = noSuchUser("550 5.1.1 <ada@EXAMPLE.com>: no such user", "BODY");
    const outcome = withNamedRefused(refusal, [ada, bob]);
    expect(outcome).toEqual({
      kind: "refused_transient",
      detail: refusal.detail,
      except: [{ n: 1, outcome: refusal }],
    });
    expect(hardBouncesOf(outcome, [ada, bob])).toHaveLength(1);
    for (const text of ["550 5.1.1 no", "550 5.1.1 ada@example.com bob@example.com"]) {
      const of = noSuchUser(text, "BODY");
      expect(withNamedRefused(of, [ada, bob])).toBe(of);
    }
  });
});

it.each([
  ["<bob@example.com>: unknown", true],
  ["unknown: BOB@example.com.", true],
  ["bob@example.com", true],
  ["jim.bob@example.com", false],
  ["bob@example.com.au", false],
  ["nobody", false],
])("whether %s names an address", (text, expected) => {
  expect(namesAddress(text, "bob@example.com")).toBe(expected);
});

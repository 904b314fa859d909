import { describe, expect, it } from "vitest";
import { testEndings, testOutcome, endOfTest, wrongTestRecipients } from "./test-recipients.ts";

const numbered = (...addresses: string[]) => addresses.map((address, i) => ({ n: i + 1, address }));
const endsOf = (...addresses: string[]) =>
  testEndings(numbered(...addresses), false)?.map(({ end }) => end) ?? null;

describe("recipients of tests", () => {
  it("end as their name states, with any label and in any case", () => {
    expect(endsOf("delivered@luna.test", "Bounced+order-7@LUNA.test")).toEqual([
      "delivered",
      "bounced",
    ]);
    expect(endsOf("complained+@luna.test", "refused@luna.test")).toEqual(["complained", "refused"]);
  });

  it("are those of luna.test only", () => {
    for (const address of [
      "delivered@example.com",
      "delivered@luna.test.example.com",
      "delivered@sub.luna.test",
      "delivered@xluna.test",
    ])
      expect(endsOf(address)).toBeNull();
  });

  it("are refused beside others, and by a name that there is not", () => {
    const wrong = (...addresses: string[]) => wrongTestRecipients(numbered(...addresses));
    expect(wrong("ada@example.com", "bob@example.com")).toBeNull();
    expect(wrong("delivered@luna.test", "refused@luna.test")).toBeNull();
    expect(wrong("delivered@luna.test", "ada@example.com")).toBe("mixed");
    expect(wrong("deliveredx@luna.test")).toBe("unknown");
    expect(wrong("nobody@luna.test")).toBe("unknown");
  });
});

describe("a hand-over to them", () => {
  const email = { id: "e", generation: 2, part: 1 };
  const endings = testEndings(numbered("refused@luna.test", "bounced@luna.test"), false) ?? [];

  it("is accepted, except for those who refuse", () => {
    expect(testOutcome(endings)).toMatchObject({
      kind: "accepted",
      except: [{ n: 1, outcome: { kind: "refused_permanent" } }],
    });
    expect(testOutcome(testEndings(numbered("refused@luna.test"), false) ?? [])).toMatchObject({
      kind: "refused_permanent",
    });
  });

  it("ends for each who took it, and for an email to one recipient as a whole", () => {
    expect(endOfTest(email, endings)).toMatchObject({
      id: "e",
      generation: 2,
      status: null,
      recipients: [{ n: 2, state: "bounced" }],
    });
    const one = testEndings(numbered("complained@luna.test"), false) ?? [];
    expect(endOfTest(email, one)).toMatchObject({ status: "complained", recipients: [] });
  });
});

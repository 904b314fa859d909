import fc from "fast-check";
import { describe, expect, inject, it } from "vitest";
import type { EmailStatus, InHandOver } from "./lifecycle.ts";
import type { Outcome, OutcomeForAll } from "./outcome.ts";
import {
  afterReport,
  isOpen,
  settleRecipients,
  recipientStateOf,
  shownStatus,
  type RecipientState,
  type StoredRecipient,
  type StoredState,
} from "./recipients.ts";

const detail = { transport: "smtp", phase: "RCPT TO", text: "by the test" };
const outcomes = {
  accepted: { kind: "accepted", detail },
  later: { kind: "refused_transient", detail },
  waits: { kind: "needs_time", detail, retryAfterMs: 300_000 },
  never: { kind: "refused_permanent", detail },
  unknown: { kind: "unknown", detail },
} as const satisfies Record<string, OutcomeForAll>;
type Answer = keyof typeof outcomes;

const inHandOver: InHandOver = {
  attempts: 1,
  onUnknown: "hold",
  transport: "smtp",
  handOverAt: 0,
  pinnedUntil: null,
  refusals: null,
  hasAlternative: false,
  hasUntried: false,
};
const timing = {
  policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
  now: 10_000,
  random: 0.5,
};

const recipients = (states: readonly StoredState[]): StoredRecipient[] =>
  states.map((state, place) => ({
    n: place + 1,
    kind: "to",
    name: "",
    address: `r${place + 1}@example.com`,
    state,
    detail: null,
  }));

/** The answers to the recipients that are handed over, in their order. */
function handOver(states: readonly StoredState[], answers: readonly Answer[], attempts = 1) {
  const all = recipients(states);
  const [main = "accepted"] = answers;
  const targets = all.filter(({ state }) => isOpen(state));
  const except = targets.map(({ n }, place) => ({
    n,
    outcome: outcomes[answers[place % answers.length] ?? main],
  }));
  const outcome: Outcome = { ...outcomes[main], except };
  const end = settleRecipients({ ...inHandOver, attempts }, all, outcome, timing);
  if (!("settlement" in end)) throw new Error("it failed over");
  const after = all.map(({ n, state }) => {
    const change = end.changes.find((one) => one.n === n);
    return change === undefined ? state : change.state;
  });
  return { ...end, status: end.settlement.status, after };
}

describe("an email in hand-over to several recipients", () => {
  it.each<[StoredState[], Answer[], [EmailStatus, StoredState[], raisesPart: boolean]]>([
    // What is stored of each, the answers, then: the email, what is stored, whether part is raised.
    [[null], ["accepted"], ["sent", [null], false]],
    [[null, null], ["accepted"], ["sent", [null, null], false]],
    [[null, null], ["later"], ["queued", [null, null], false]],
    [[null, null], ["never"], ["dead", [null, null], false]],
    [[null, null], ["unknown"], ["unknown", [null, null], false]],
    [
      [null, null],
      ["accepted", "never"],
      ["dead", ["accepted", "refused"], true],
    ],
    [
      [null, null],
      ["accepted", "later"],
      ["queued", ["accepted", null], true],
    ],
    [
      [null, null],
      ["accepted", "waits"],
      ["queued", ["accepted", null], true],
    ],
    [
      [null, null],
      ["later", "never"],
      ["queued", [null, "refused"], true],
    ],
    [
      [null, null],
      ["unknown", "later"],
      ["unknown", [null, "pending"], false],
    ],
    [
      [null, null],
      ["unknown", "never"],
      ["unknown", [null, "refused"], true],
    ],
    [
      [null, null],
      ["unknown", "accepted"],
      ["unknown", [null, "accepted"], true],
    ],
    [["accepted", null], ["accepted"], ["sent", ["accepted", "accepted"], false]],
    [["accepted", null], ["later"], ["queued", ["accepted", null], false]],
    [["accepted", null], ["never"], ["dead", ["accepted", null], false]],
    [["refused", null], ["accepted"], ["dead", ["refused", "accepted"], false]],
    [["suppressed", null], ["accepted"], ["sent", ["suppressed", "accepted"], false]],
  ])("%j, answered %j, is %j", (before, answers, expected) => {
    const end = handOver(before, answers);
    expect([end.status, end.after, end.raisesPart]).toEqual(expected);
  });

  it("waits as long as one of them must, and dies with the last words to one of them", () => {
    const waiting = handOver([null, null, null], ["accepted", "later", "waits"]);
    expect(waiting.detail).toBe(outcomes.waits.detail);
    const dead = handOver(["accepted", null], ["later"], 4);
    expect(dead).toMatchObject({ status: "dead", hasLeft: true });
  });

  it("gives nobody a second copy, hands over nothing while an outcome is open, and loses nobody", () => {
    const answer = fc.constantFrom<Answer>("accepted", "later", "waits", "never", "unknown");
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.array(answer, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 }),
        (size, rounds) => {
          let states: StoredState[] = Array.from({ length: size }, () => null);
          const copies = states.map(() => 0);
          let status: EmailStatus = "queued";
          let part = 1;
          let frozen = "";
          const changed: string[] = [];
          for (const [round, answers] of rounds.entries()) {
            if (status !== "queued") break;
            const targets = states.flatMap((state, place) => (isOpen(state) ? [place] : []));
            // The recipients of one part are the same at each hand-over.
            const now = `${part}:${targets.join()}`;
            if (frozen.startsWith(`${part}:`) && now !== frozen) changed.push(now);
            frozen = now;
            const given = targets.map((_, n) => answers[n % answers.length]);
            for (const [n, place] of targets.entries())
              if (given[n] === "accepted" || given[n] === "unknown")
                copies[place] = (copies[place] ?? 0) + 1;
            const end = handOver(states, answers, round + 1);
            states = end.after;
            ({ status } = end);
            if (end.raisesPart) part += 1;
            expect(status === "unknown").toBe(given.includes("unknown"));
          }
          expect(changed).toEqual([]);
          expect(Math.max(...copies)).toBeLessThanOrEqual(1);
          const shown = states.map((state) => recipientStateOf(state, status, size === 1));
          const of = (wanted: RecipientState): (number | undefined)[] =>
            copies.filter((_, place) => shown[place] === wanted);
          expect(of("accepted").every((count) => count === 1)).toBe(true);
          expect(of("refused").every((count) => count === 0)).toBe(true);
          // A recipient who was refused is never hidden by an email that was sent.
          expect(status === "sent").toBe(shown.every((state) => state === "accepted"));
        },
      ),
      { numRuns: inject("runs"), seed: inject("seed") },
    );
  });
});

describe("what is shown", () => {
  it.each<[EmailStatus, RecipientState[], EmailStatus]>([
    // The work goes on: its status.
    ["queued", ["accepted", "pending"], "queued"],
    ["unknown", ["accepted", "unknown"], "unknown"],
    ["scheduled", ["pending", "pending"], "scheduled"],
    // Over, and some have it: the gravest of their states, although others were refused.
    ["sent", ["accepted", "accepted"], "sent"],
    ["sent", ["delivered", "accepted"], "sent"],
    ["sent", ["delivered", "delivered"], "delivered"],
    ["sent", ["delivered", "bounced"], "bounced"],
    ["sent", ["bounced", "complained"], "complained"],
    ["sent", ["delivered", "suppressed"], "delivered"],
    ["dead", ["accepted", "refused"], "sent"],
    ["dead", ["delivered", "refused"], "delivered"],
    ["discarded", ["accepted", "refused"], "sent"],
    ["cancelled", ["accepted", "cancelled"], "sent"],
    ["suppressed", ["accepted", "suppressed"], "sent"],
    // Over, and nobody has it.
    ["dead", ["refused", "refused"], "dead"],
    ["cancelled", ["cancelled", "cancelled"], "cancelled"],
    ["suppressed", ["suppressed", "suppressed"], "suppressed"],
    // One recipient: as it is stored.
    ["dead", ["refused"], "dead"],
    ["delivered", ["delivered"], "delivered"],
  ])("an email that is %s for %j is shown as %s", (email, states, shown) => {
    expect(shownStatus(email, states)).toBe(shown);
  });

  it("is the state of one recipient of several only if it was observed for that one", () => {
    expect(recipientStateOf(null, "bounced", true)).toBe("bounced");
    expect(recipientStateOf(null, "bounced", false)).toBe("accepted");
    expect(recipientStateOf("pending", "unknown", false)).toBe("pending");
    expect(recipientStateOf("pending", "dead", false)).toBe("refused");
    expect(recipientStateOf("accepted", "dead", false)).toBe("accepted");
  });

  it("goes forward by reports, in any order", () => {
    expect(afterReport("accepted", "delivered")).toBe("delivered");
    expect(afterReport("delivered", "bounced")).toBe("bounced");
    expect(afterReport("bounced", "complained")).toBe("complained");
    expect(afterReport("bounced", "delivered")).toBeNull();
    for (const state of ["pending", "refused", "unknown", "suppressed", "cancelled"] as const)
      expect(afterReport(state, "delivered")).toBeNull();
  });
});

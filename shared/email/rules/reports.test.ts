import fc from "fast-check";
import { describe, expect, inject, it } from "vitest";
import type { EmailStatus } from "./lifecycle.ts";
import {
  recipientStateOf,
  shownStatus,
  type RecipientState,
  type StoredRecipient,
  type StoredState,
} from "./recipients.ts";
import { afterProviderReport } from "./reports.ts";
import type { ProviderReport } from "./resend-feedback.ts";

/** Feedback about an email that was sent, in any order and any number of times. */

type Report = Pick<ProviderReport, "feedback" | "to" | "suppress" | "detail">;
type Known = "delivered" | "bounced" | "complained";

const detail = { transport: "smtp", phase: "DSN", text: "by the test" };
const addressOf = (n: number): string => `r${n}@example.com`;
const report = (
  feedback: Report["feedback"],
  to: string[],
  suppress: Report["suppress"] = null,
) => ({
  feedback,
  to,
  suppress,
  detail,
});

class Email {
  status: EmailStatus = "sent";
  suppressed = new Set<string>();
  readonly states: StoredState[];

  constructor(size: number) {
    this.states = Array.from({ length: size }, () => null);
  }

  take(one: Report, isCurrent = true): void {
    const recipients = this.states.map((state, place): StoredRecipient => ({
      n: place + 1,
      kind: "to",
      name: "",
      address: addressOf(place + 1),
      state,
      detail: null,
    }));
    const after = afterProviderReport({ status: this.status, recipients, isCurrent }, one);
    this.status = after.next ?? this.status;
    for (const { n, state } of after.changes) this.states[n - 1] = state;
    for (const address of after.suppress) this.suppressed.add(address);
  }

  get shown(): RecipientState[] {
    return this.states.map((state) =>
      recipientStateOf(state, this.status, this.states.length === 1),
    );
  }
}

const order: readonly RecipientState[] = ["accepted", "delivered", "bounced", "complained"];
const gravest = (states: readonly RecipientState[]): RecipientState =>
  states.toSorted((a, b) => order.indexOf(b) - order.indexOf(a))[0] ?? "accepted";

const known = fc.constantFrom<Known>("delivered", "bounced", "complained");
const kind = fc.oneof(
  { weight: 4, arbitrary: known },
  { weight: 1, arbitrary: fc.constantFrom("accepted" as const, "transient-bounce" as const) },
);
const history = fc.integer({ min: 1, max: 4 }).chain((size) =>
  fc
    .array(fc.tuple(kind, fc.integer({ min: 1, max: size })), { minLength: 1, maxLength: 12 })
    .chain((reports) => {
      const places = [...reports.keys()];
      const all = { minLength: places.length, maxLength: places.length };
      return fc.record({
        size: fc.constant(size),
        reports: fc.constant(reports),
        arrivals: fc
          .tuple(
            fc.shuffledSubarray(places, all),
            fc.array(fc.constantFrom(...places), { maxLength: 6 }),
          )
          .map(([each, repeated]) => [...each, ...repeated]),
      });
    }),
);

describe("reports about an email that was sent", () => {
  it("end in the gravest of each recipient, in any order and however often each one comes", () => {
    fc.assert(
      fc.property(history, ({ size, reports, arrivals }) => {
        const email = new Email(size);
        for (const place of arrivals) {
          const [feedback, n] = reports[place] ?? ["accepted", 1];
          email.take(report(feedback, [addressOf(n)]));
        }
        const expected = email.states.map((_, place) =>
          gravest(
            reports.flatMap(([feedback, n]): RecipientState[] =>
              n === place + 1 && feedback !== "accepted" && feedback !== "transient-bounce"
                ? [feedback]
                : [],
            ),
          ),
        );
        expect(email.shown).toEqual(expected);
        const shown = shownStatus(email.status, email.shown);
        const all = expected.every((state) => state === "delivered");
        const worst = gravest(expected);
        const whole = worst === "accepted" || (worst === "delivered" && !all) ? "sent" : worst;
        expect(shown).toBe(whole);
      }),
      { numRuns: inject("runs"), seed: inject("seed") },
    );
  });

  it("about an earlier hand-over change no recipient without a state of its own", () => {
    fc.assert(
      fc.property(history, ({ size, reports }) => {
        const email = new Email(size);
        for (const [feedback, n] of reports) email.take(report(feedback, [addressOf(n)]), false);
        expect(email.status).toBe("sent");
        expect(email.states.every((state) => state === null)).toBe(true);
      }),
      { numRuns: inject("runs"), seed: inject("seed") },
    );
  });

  it("suppress the recipient that they name, and nobody if they name another address", () => {
    for (const size of [1, 3]) {
      const email = new Email(size);
      email.take(report("bounced", ["other@example.com"], "bounce"));
      expect([...email.suppressed]).toEqual([]);
      email.take(report("bounced", [addressOf(1)], "bounce"));
      expect([...email.suppressed]).toEqual([addressOf(1)]);
    }
  });

  it("that name no address are about the only recipient, and about none of several", () => {
    const [alone, several] = [new Email(1), new Email(2)];
    for (const email of [alone, several]) email.take(report("bounced", [], "bounce"));
    expect([alone.shown, [...alone.suppressed]]).toEqual([["bounced"], [addressOf(1)]]);
    expect([several.shown, [...several.suppressed]]).toEqual([["accepted", "accepted"], []]);
  });
});

import fc from "fast-check";
import * as v from "valibot";
import { expect, it } from "vitest";
import { runs } from "../../../../test/support/seed.ts";
import { initialBreaker, type Breaker } from "../rules/phase.ts";
import { defaultSettings as settings } from "../rules/settings.ts";
import { decide, type Event } from "../rules/state.ts";
import { saveBreaker } from "./stored-breaker.ts";

/** What the first release reads of a row, word for word. */
const number = v.number();
const released = v.object({
  phase: v.variant("state", [
    v.object({
      state: v.literal("CLOSED"),
      window: v.array(v.object({ start: number, failures: number, calls: number })),
    }),
    v.object({ state: v.literal("OPEN"), openedAt: number, durationMs: number, reopens: number }),
    v.object({
      state: v.literal("HALF_OPEN"),
      reopens: number,
      permit: v.nullable(v.object({ id: v.string(), grantedAt: number, lastsMs: number })),
    }),
  ]),
  override: v.variant("kind", [
    v.object({ kind: v.picklist(["none", "forced-closed", "disabled"]) }),
    v.object({ kind: v.literal("forced-open"), ends: v.boolean() }),
  ]),
});

/** The row of a breaker, as it is written. */
function rowOf(breaker: Breaker): unknown {
  let row = "";
  const sql = { exec: (_: string, __: number, state: string) => void (row = state) };
  saveBreaker(sql as unknown as SqlStorage, breaker);
  return JSON.parse(row);
}

const event: fc.Arbitrary<(epoch: number) => Event> = fc.oneof(
  fc
    .record({ failures: fc.nat(20), calls: fc.nat(40), held: fc.nat(9), slow: fc.nat(9) })
    .map((counts) => (epoch: number) => ({ type: "report" as const, epoch, ...counts })),
  fc.constant(() => ({ type: "acquire" as const, id: "p", lastsMs: 10_000, cold: false })),
  fc
    .constantFrom("success" as const, "failure" as const, "ignored" as const)
    .map((outcome) => () => ({ type: "probe-ended" as const, permitId: "p", outcome })),
  fc.constant(() => ({ type: "look" as const })),
);

it(`the release before reads each row of this one, after a roll-back (${runs} runs)`, () => {
  const steps = fc.array(fc.tuple(event, fc.nat(40_000)), { maxLength: 40 });
  fc.assert(
    fc.property(steps, (all) => {
      let breaker = initialBreaker;
      let now = 1_700_000_000_000;
      for (const [make, waitMs] of all) {
        now += waitMs;
        breaker = decide(breaker, make(breaker.epoch), settings, now).breaker;
        expect(v.safeParse(released, rowOf(breaker)).issues).toBeUndefined();
      }
    }),
    { numRuns: runs },
  );
});

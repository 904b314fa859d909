import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dueSlots, nextSlot, dueRun, type DueRun, type ScheduleState } from "./due.ts";

const at = (iso: string): number => Date.parse(`${iso}Z`);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

describe("a task", () => {
  it("is due at its slot and not a millisecond before, once", () => {
    const slot = at("2026-11-25T09:00:00");
    expect(dueSlots("0 9 * * *", slot - HOUR_MS, slot - 1)).toBeNull();
    expect(dueSlots("0 9 * * *", slot - HOUR_MS, slot)).toEqual({ slot, missed: null });
    expect(dueSlots("0 9 * * *", slot, slot + HOUR_MS)).toBeNull();
  });

  it("runs its slot however late the trigger comes, as long as the next has not come", () => {
    const slot = at("2026-11-25T09:00:00");
    expect(dueSlots("0 9 * * *", slot - HOUR_MS, slot + 23 * HOUR_MS)).toEqual({
      slot,
      missed: null,
    });
  });

  it("runs the latest of the slots that came while nothing ran, and has missed the others", () => {
    const last = at("2026-11-25T09:00:00");
    expect(dueSlots("*/5 * * * *", last, last + 27 * MINUTE_MS)).toEqual({
      slot: last + 25 * MINUTE_MS,
      missed: { from: last + 5 * MINUTE_MS, until: last + 20 * MINUTE_MS, count: 4 },
    });
  });

  it("has missed every minute of a month without a trigger", () => {
    const last = at("2026-10-01T00:00:00");
    const now = at("2026-11-01T00:00:30");
    expect(dueSlots("* * * * *", last, now)).toEqual({
      slot: at("2026-11-01T00:00:00"),
      missed: { from: last + MINUTE_MS, until: at("2026-10-31T23:59:00"), count: 31 * 24 * 60 - 1 },
    });
  });

  it.each([
    [
      "0 0 31 * *",
      "2026-01-31T00:00:00",
      ["2026-03-31T00:00:00", "2026-05-31T00:00:00", "2026-07-31T00:00:00", "2026-08-31T00:00:00"],
    ],
    ["0 0 29 2 *", "2024-02-29T00:00:00", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]],
    [
      "59 23 28-31 2 *",
      "2026-02-28T23:59:00",
      ["2027-02-28T23:59:00", "2028-02-28T23:59:00", "2028-02-29T23:59:00"],
    ],
    ["0 9 * * 1", "2026-12-28T09:00:00", ["2027-01-04T09:00:00"]],
    // UTC has no summer time: every hour comes once.
    ["30 2 * * *", "2026-03-28T02:30:00", ["2026-03-29T02:30:00", "2026-03-30T02:30:00"]],
  ])(
    "on %s comes after %s by the calendar: month ends, leap years and new years",
    (cron, from, expected) => {
      let slot = at(from);
      for (const next of expected) expect((slot = nextSlot(cron, slot))).toBe(at(next));
    },
  );

  it.each(["", "* * * *", "* * * * * *", "61 * * * *", "hello", "0 0 30 2 *"])(
    "cannot have the schedule %j",
    (cron) => {
      expect(() => nextSlot(cron, 0)).toThrow(/Cron|never comes/);
    },
  );
});

function slotsFrom(cron: string, from: number, until: number): number {
  let count = 1;
  for (let slot = from; slot < until; count += 1) slot = nextSlot(cron, slot);
  return count;
}

it("the count of missed slots is that of the calendar, for each form of an expression", () => {
  const cron = fc.constantFrom(
    "0 9 * * 1#2",
    "0 9,17 * * MON#1",
    "0 9 * * 5#L",
    "0 9 * * 5L",
    "0 9 L * *",
    "0 9 LW * *",
    "0 9 15W * *",
    "0 9 1,15 * *",
    "0 9 13 * 5",
    "0 9 * 2 *",
    "0 9 * * 1-5",
    "0 */6 * * sun,3",
    "0 9 * * 7",
    "0 9 ? * ?",
  );
  const span = fc.integer({ min: 0, max: 800 * 24 * HOUR_MS });
  fc.assert(
    fc.property(cron, fc.integer({ min: 0, max: 2e12 }), span, (expression, after, spanMs) => {
      const missed = dueSlots(expression, after, after + spanMs)?.missed ?? null;
      const counted = missed === null ? 0 : slotsFrom(expression, missed.from, missed.until);
      expect(missed?.count ?? 0).toBe(counted);
    }),
    { numRuns: 300 },
  );
});

it("over random triggers, each slot is run once, missed once or not due yet", () => {
  const cron = fc.constantFrom(
    "* * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "15 3 * * *",
    "0 9 * * 1",
    "0 0 31 * *",
    "0 0 29 2 *",
  );
  const life = fc.array(
    fc.oneof(
      fc.record({ pauseMs: fc.integer({ min: 0, max: 3 * HOUR_MS }) }),
      fc.record({ pauseMs: fc.integer({ min: 0, max: 90 * 24 * HOUR_MS }) }),
    ),
    {
      minLength: 1,
      maxLength: 15,
    },
  );
  fc.assert(
    fc.property(
      cron,
      life,
      fc.integer({ min: 0, max: 40 * 365 * 24 * HOUR_MS }),
      (expression, pauses, start) => {
        let now = start;
        let after = start;
        for (const { pauseMs } of pauses) {
          now += pauseMs;
          const due = dueSlots(expression, after, now);
          const again = due === null ? null : dueSlots(expression, due.slot, now);
          expect(again, "a burst of triggers finds nothing more").toBeNull();
          const first = nextSlot(expression, after);
          const { slot, missed } = due ?? { slot: after, missed: null };
          expect(nextSlot(expression, slot), "nothing later is due").toBeGreaterThan(now);
          expect(slot).toBeLessThanOrEqual(now);
          expect(missed?.from ?? slot, "nothing in between is left out").toBe(
            due === null ? after : first,
          );
          expect(missed === null ? slot : nextSlot(expression, missed.until)).toBe(slot);
          const counted =
            missed === null || missed.count >= 500
              ? null
              : slotsFrom(expression, first, missed.until);
          expect(counted ?? missed?.count).toBe(missed?.count);
          after = slot;
        }
      },
    ),
    { numRuns: 200 },
  );
});

describe("when a deployment changes the registry", () => {
  const now = at("2026-11-25T15:00:20");
  const state = (
    lastSlot: string,
    cron: string | null,
    retiredAt: number | null = null,
  ): ScheduleState => ({
    lastSlot: at(lastSlot),
    cron,
    retiredAt,
  });

  it("a new schedule backfills nothing, and unrun slots of the earlier one are missed", () => {
    expect(dueRun(state("2026-11-25T12:00:00", "0 */2 * * *"), "30 * * * *", now)).toEqual({
      slot: null,
      missed: { from: at("2026-11-25T14:00:00"), until: at("2026-11-25T14:00:00"), count: 1 },
      next: { lastSlot: now - MINUTE_MS, cron: "30 * * * *", retiredAt: null },
    });
  });

  it("a slot that both schedules have is run, and is not missed as well", () => {
    expect(dueRun(state("2026-11-25T12:00:00", "0 * * * *"), "* * * * *", now)).toEqual({
      slot: at("2026-11-25T15:00:00"),
      missed: { from: at("2026-11-25T13:00:00"), until: at("2026-11-25T14:00:00"), count: 2 },
      next: { lastSlot: at("2026-11-25T15:00:00"), cron: "* * * * *", retiredAt: null },
    });
  });

  it("a removed task has missed its unrun slots once, and is not due again", () => {
    const gone = dueRun(state("2026-11-25T12:00:00", "0 * * * *"), null, now);
    expect(gone).toEqual({
      slot: null,
      missed: { from: at("2026-11-25T13:00:00"), until: at("2026-11-25T15:00:00"), count: 3 },
      next: { lastSlot: at("2026-11-25T15:00:00"), cron: "0 * * * *", retiredAt: now },
    });
    expect(
      dueRun(gone?.next ?? state("2026-11-25T12:00:00", null), null, now + 9 * HOUR_MS),
    ).toBeNull();
  });

  it("a task that comes back backfills nothing of the time that it was away", () => {
    expect(
      dueRun(
        state("2026-11-01T12:00:00", "0 * * * *", at("2026-11-01T12:30:00")),
        "0 * * * *",
        now,
      ),
    ).toEqual({
      slot: at("2026-11-25T15:00:00"),
      missed: null,
      next: { lastSlot: at("2026-11-25T15:00:00"), cron: "0 * * * *", retiredAt: null },
    });
  });

  it("a state without a schedule, from an older release, has the registered one", () => {
    expect(dueRun(state("2026-11-25T13:00:00", null), "0 * * * *", now)).toMatchObject({
      slot: at("2026-11-25T15:00:00"),
      missed: { count: 1 },
    });
  });
});

/**
 * What is wrong with one trigger's due run. `last`: the last slot that it ran or recorded as
 * missed.
 */
function problemsOf(
  { slot, missed }: Pick<DueRun, "slot" | "missed">,
  {
    inForce,
    cron,
    lastHandled,
    now,
  }: { inForce: string | null; cron: string | null; lastHandled: number; now: number },
): { wrong: string[]; last: number } {
  const afterMissed = missed?.until ?? lastHandled;
  const last = slot ?? afterMissed;
  const checks: [string, boolean][] = [
    ["missed twice", missed === null || missed.from > lastHandled],
    [
      "a slot is left out",
      missed === null || (inForce !== null && nextSlot(inForce, lastHandled) === missed.from),
    ],
    [
      "miscounted",
      missed === null ||
        missed.count >= 500 ||
        slotsFrom(inForce ?? "", missed.from, missed.until) === missed.count,
    ],
    [
      "still due",
      inForce === null ||
        nextSlot(inForce, inForce === cron ? last : afterMissed) >
          (inForce === cron ? now : (slot ?? now + 1) - 1),
    ],
    ["run twice, or run and missed", slot === null || slot > afterMissed],
    [
      "not a slot of the schedule",
      slot === null || (cron !== null && nextSlot(cron, slot - 1) === slot),
    ],
  ];
  return { wrong: checks.flatMap(([name, holds]) => (holds ? [] : [name])), last };
}

it("over random deployments, each slot of the current schedule is run or missed once", () => {
  const crons = ["* * * * *", "*/7 * * * *", "0 * * * *", "15 3 * * *", "0 9 * * 1"];
  const step = fc.record({
    pauseMs: fc.integer({ min: 0, max: 30 * HOUR_MS }),
    cron: fc.constantFrom(...crons, null),
  });
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 30 * 365 * 24 * HOUR_MS }),
      (steps, start) => {
        let now = start;
        let state: ScheduleState = { lastSlot: start, cron: "0 * * * *", retiredAt: null };
        let lastHandled = start;
        for (const { pauseMs, cron } of steps) {
          now += pauseMs;
          const before = state;
          const due = dueRun(before, cron, now);
          const { slot, missed } = due ?? { slot: null, missed: null };
          state = due?.next ?? state;
          expect(dueRun(state, cron, now), "once recorded, nothing is due").toBeNull();
          const inForce = before.retiredAt === null ? (before.cron ?? "") : null;
          const { wrong, last } = problemsOf({ slot, missed }, { inForce, cron, lastHandled, now });
          expect(wrong).toEqual([]);
          lastHandled = last;
          if (inForce !== cron) lastHandled = Math.max(lastHandled, state.lastSlot);
          expect(state.lastSlot).toBeGreaterThanOrEqual(before.lastSlot);
        }
      },
    ),
    { numRuns: 200 },
  );
});

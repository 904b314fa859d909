import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dueAt, nextSlot, owedBy, type Owed, type Standing } from "./due.ts";

const at = (iso: string): number => Date.parse(`${iso}Z`);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

describe("a task", () => {
  it("is due at its slot and not a millisecond before, once", () => {
    const slot = at("2026-11-25T09:00:00");
    expect(dueAt("0 9 * * *", slot - HOUR_MS, slot - 1)).toBeNull();
    expect(dueAt("0 9 * * *", slot - HOUR_MS, slot)).toEqual({ slot, missed: null });
    expect(dueAt("0 9 * * *", slot, slot + HOUR_MS)).toBeNull();
  });

  it("runs its slot however late the trigger comes, as long as the next has not come", () => {
    const slot = at("2026-11-25T09:00:00");
    expect(dueAt("0 9 * * *", slot - HOUR_MS, slot + 23 * HOUR_MS)).toEqual({ slot, missed: null });
  });

  it("runs the latest of the slots that came while nothing ran, and has missed the others", () => {
    const last = at("2026-11-25T09:00:00");
    expect(dueAt("*/5 * * * *", last, last + 27 * MINUTE_MS)).toEqual({
      slot: last + 25 * MINUTE_MS,
      missed: { from: last + 5 * MINUTE_MS, until: last + 20 * MINUTE_MS, count: 4 },
    });
  });

  it("that was away for a month has missed every minute of it", () => {
    const last = at("2026-10-01T00:00:00");
    const now = at("2026-11-01T00:00:30");
    expect(dueAt("* * * * *", last, now)).toEqual({
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
    "on %s comes after %s at the ends of months, in leap years and across years as the calendar says",
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

it("over any life with outages, bursts of triggers and new schedules, each slot is run once, missed once or still to come", () => {
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
          const due = dueAt(expression, after, now);
          const again = due === null ? null : dueAt(expression, due.slot, now);
          expect(again, "a burst of triggers finds nothing more").toBeNull();
          const first = nextSlot(expression, after);
          const { slot, missed } = due ?? { slot: after, missed: null };
          expect(nextSlot(expression, slot), "nothing later is due").toBeGreaterThan(now);
          expect(slot).toBeLessThanOrEqual(now);
          expect(missed?.from ?? slot, "nothing in between is forgotten").toBe(
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
  const standing = (
    lastSlot: string,
    cron: string | null,
    retiredAt: number | null = null,
  ): Standing => ({
    lastSlot: at(lastSlot),
    cron,
    retiredAt,
  });

  it("a new schedule owes nothing for the time before it, and what the earlier one owed until then was missed", () => {
    expect(owedBy(standing("2026-11-25T12:00:00", "0 */2 * * *"), "30 * * * *", now)).toEqual({
      slot: null,
      missed: { from: at("2026-11-25T14:00:00"), until: at("2026-11-25T14:00:00"), count: 1 },
      next: { lastSlot: now - MINUTE_MS, cron: "30 * * * *", retiredAt: null },
    });
  });

  it("a slot that has just come and that both schedules have is run, and not missed as well", () => {
    expect(owedBy(standing("2026-11-25T12:00:00", "0 * * * *"), "* * * * *", now)).toEqual({
      slot: at("2026-11-25T15:00:00"),
      missed: { from: at("2026-11-25T13:00:00"), until: at("2026-11-25T14:00:00"), count: 2 },
      next: { lastSlot: at("2026-11-25T15:00:00"), cron: "* * * * *", retiredAt: null },
    });
  });

  it("a task that is gone has missed what it owed, once, and owes nothing more", () => {
    const gone = owedBy(standing("2026-11-25T12:00:00", "0 * * * *"), null, now);
    expect(gone).toEqual({
      slot: null,
      missed: { from: at("2026-11-25T13:00:00"), until: at("2026-11-25T15:00:00"), count: 3 },
      next: { lastSlot: at("2026-11-25T15:00:00"), cron: "0 * * * *", retiredAt: now },
    });
    expect(
      owedBy(gone?.next ?? standing("2026-11-25T12:00:00", null), null, now + 9 * HOUR_MS),
    ).toBeNull();
  });

  it("a task that comes back owes nothing for the time that it was away", () => {
    expect(
      owedBy(
        standing("2026-11-01T12:00:00", "0 * * * *", at("2026-11-01T12:30:00")),
        "0 * * * *",
        now,
      ),
    ).toEqual({
      slot: at("2026-11-25T15:00:00"),
      missed: null,
      next: { lastSlot: at("2026-11-25T15:00:00"), cron: "0 * * * *", retiredAt: null },
    });
  });

  it("a release that did not write schedules down had the one that is registered", () => {
    expect(owedBy(standing("2026-11-25T13:00:00", null), "0 * * * *", now)).toMatchObject({
      slot: at("2026-11-25T15:00:00"),
      missed: { count: 1 },
    });
  });
});

/**
 * What is wrong with how one trigger dealt with what was owed. `last`: the last slot that it dealt
 * with.
 */
function dealing(
  inForce: string | null,
  cron: string | null,
  { slot, missed }: Pick<Owed, "slot" | "missed">,
  dealtWith: number,
  now: number,
): { wrong: string[]; last: number } {
  const afterMissed = missed?.until ?? dealtWith;
  const last = slot ?? afterMissed;
  const checks: [string, boolean][] = [
    ["missed twice", missed === null || missed.from > dealtWith],
    [
      "one is forgotten",
      missed === null || (inForce !== null && nextSlot(inForce, dealtWith) === missed.from),
    ],
    [
      "miscounted",
      missed === null ||
        missed.count >= 500 ||
        slotsFrom(inForce ?? "", missed.from, missed.until) === missed.count,
    ],
    [
      "still owed",
      inForce === null ||
        nextSlot(inForce, inForce === cron ? last : afterMissed) >
          (inForce === cron ? now : (slot ?? now + 1) - 1),
    ],
    ["run twice, or run and missed", slot === null || slot > afterMissed],
    [
      "no slot of the schedule",
      slot === null || (cron !== null && nextSlot(cron, slot - 1) === slot),
    ],
  ];
  return { wrong: checks.flatMap(([name, holds]) => (holds ? [] : [name])), last };
}

it("over any life with deployments, each slot of the schedule in force is run once or missed once, and none of another is", () => {
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
        let standing: Standing = { lastSlot: start, cron: "0 * * * *", retiredAt: null };
        let dealtWith = start;
        for (const { pauseMs, cron } of steps) {
          now += pauseMs;
          const before = standing;
          const owed = owedBy(before, cron, now);
          const { slot, missed } = owed ?? { slot: null, missed: null };
          standing = owed?.next ?? standing;
          expect(owedBy(standing, cron, now), "once dealt with, nothing is owed").toBeNull();
          const inForce = before.retiredAt === null ? (before.cron ?? "") : null;
          const { wrong, last } = dealing(inForce, cron, { slot, missed }, dealtWith, now);
          expect(wrong).toEqual([]);
          dealtWith = last;
          if (inForce !== cron) dealtWith = Math.max(dealtWith, standing.lastSlot);
          expect(standing.lastSlot).toBeGreaterThanOrEqual(before.lastSlot);
        }
      },
    ),
    { numRuns: 200 },
  );
});

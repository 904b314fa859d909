import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unanswered, webhookOutcomeOf, type WebhookOutcome } from "../../webhooks/rules/answer.ts";
import {
  claimDelivery,
  DELIVERY_LEASE_MS,
  settleDelivery,
  type DeliveryState,
} from "../../webhooks/rules/delivery.ts";
import type { MissedSlots } from "./due.ts";
import {
  dueJobSlots,
  jobSlots,
  MAX_COUNTED_SLOTS,
  nextJobSlot,
  type JobSchedule,
} from "./job-schedule.ts";
import {
  dueJob,
  jobRetryRules,
  MAX_WAITING_RUNS,
  retimed,
  startOfRun,
  type JobRetries,
  type JobTiming,
} from "./jobs.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Shortly before the clocks of Berlin, New York and Lord Howe change, in both directions. */
const starts = ["2026-03-05T20:17:30Z", "2026-03-27T20:00:00Z", "2026-10-23T22:59:30Z"].map((at) =>
  Date.parse(at),
);

const crons = ["* * * * *", "*/15 * * * *", "30 2 * * *", "0 9 * * 1", "15,45 1-3 * * *"];
const zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];

const scheduled = fc.constantFrom(...starts).chain((start) =>
  fc.record({
    start: fc.constant(start),
    schedule: fc.oneof(
      fc.record({
        kind: fc.constant("cron" as const),
        cron: fc.constantFrom(...crons),
        timeZone: fc.constantFrom(...zones),
      }),
      fc.record({
        kind: fc.constant("every" as const),
        everyMs: fc.integer({ min: MINUTE_MS, max: 3 * DAY_MS }),
        from: fc.integer({ min: start - 10 * DAY_MS, max: start }),
      }),
      fc.record({
        kind: fc.constant("at" as const),
        at: fc.integer({ min: start, max: start + 3 * DAY_MS }),
      }),
    ) satisfies fc.Arbitrary<JobSchedule>,
  }),
);

/** Every slot of `(after, until]`, one after the other. */
function slotsBetween(schedule: JobSchedule, after: number, until: number): number[] {
  const slots: number[] = [];
  for (
    let slot = nextJobSlot(schedule, after);
    slot !== null && slot <= until;
    slot = nextJobSlot(schedule, slot)
  )
    slots.push(slot);
  return slots;
}

describe("the slots of a job, under each schedule and in each time zone", () => {
  it("that have come are the latest and all earlier ones, however the clocks change", () => {
    fc.assert(
      fc.property(scheduled, fc.nat(DAY_MS), ({ start, schedule }, laterMs) => {
        const first = nextJobSlot(schedule, start);
        const now = start + laterMs;
        const slots = slotsBetween(schedule, start, now);
        const due = dueJobSlots(schedule, first, now);
        expect(due?.slot).toBe(slots.at(-1));
        const missed = slots.slice(0, -1);
        const isCapped = schedule.kind === "cron" && schedule.timeZone !== "UTC";
        const count = isCapped ? Math.min(missed.length, MAX_COUNTED_SLOTS) : missed.length;
        const expected =
          missed.length === 0 ? null : { from: missed[0], until: missed.at(-1), count };
        expect(due?.missed ?? null).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("at a gap comes once, after it, and at a repeat once for a fixed time", () => {
    const nightly: JobSchedule = { kind: "cron", cron: "30 2 * * *", timeZone: "Europe/Berlin" };
    const iso = (after: string, count: number): string[] =>
      jobSlots(nightly, Date.parse(after), count).map((at) => new Date(at).toISOString());
    expect(iso("2026-03-28T12:00:00Z", 2)).toEqual([
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:30:00.000Z",
    ]);
    expect(iso("2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
    ]);
  });

  it("are each recorded once, as run or missed, over any history of triggers and pauses", () => {
    const policy = fc.record({
      missed: fc.constantFrom("skip" as const, "run-once" as const),
      graceMs: fc.integer({ min: MINUTE_MS, max: 10 * MINUTE_MS }),
    });
    fc.assert(
      fc.property(scheduled, policy, steps, ({ start, schedule }, rules, history) => {
        const { recorded, expected, tooLate, nextAt, now } = lived(schedule, rules, start, history);
        expect(recorded).toEqual(expected);
        expect(tooLate).toEqual([]);
        expect((nextAt ?? Infinity) > now).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

type Step = { waitMs: number; isPaused: boolean };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    waitMs: fc.oneof(
      { arbitrary: fc.integer({ min: 0, max: 90_000 }), weight: 6 },
      { arbitrary: fc.integer({ min: 0, max: 6 * 3_600_000 }), weight: 1 },
    ),
    isPaused: fc.integer({ min: 0, max: 15 }).map((n) => n === 0),
  }),
  { maxLength: 25 },
);

/** What a job records while triggers come, and while it is paused for a minute now and then. */
function lived(
  schedule: JobSchedule,
  rules: Pick<JobTiming, "missed" | "graceMs">,
  start: number,
  history: readonly Step[],
) {
  const recorded: number[] = [];
  const expected: number[] = [];
  const tooLate: number[] = [];
  const record = (missed: MissedSlots | null): void =>
    void recorded.push(
      ...(missed === null ? [] : slotsBetween(schedule, missed.from - 1, missed.until)),
    );
  let [now, since] = [start, start];
  let nextAt = nextJobSlot(schedule, start);
  for (const { waitMs, isPaused } of history) {
    now += waitMs;
    const timing = { schedule, nextAt, fromAt: 0, pausedAt: null };
    if (isPaused) {
      const paused = retimed(timing, { next: null, isPaused: true }, now);
      record(paused.unrun);
      expected.push(...slotsBetween(schedule, since, now));
      now += MINUTE_MS;
      since = now;
      const stopped = { ...paused, schedule };
      nextAt = retimed(stopped, { next: null, isPaused: false }, now).nextAt;
      continue;
    }
    const due = dueJob({ ...timing, ...rules }, now);
    if (due === null) continue;
    record(due.missed);
    if (due.slot !== null) recorded.push(due.slot);
    if (due.slot !== null && rules.missed === "skip" && now - due.slot > rules.graceMs)
      tooLate.push(due.slot);
    nextAt = due.nextAt;
  }
  expected.push(...slotsBetween(schedule, since, Math.min(now, (nextAt ?? Infinity) - 1)));
  return { recorded, expected, tooLate, nextAt, now };
}

it.each([
  ["skip", false, 0, "pending"],
  ["skip", true, 0, "skipped"],
  ["allow", true, 0, "pending"],
  ["queue", false, 0, "pending"],
  ["queue", true, 0, "waiting"],
  ["queue", true, MAX_WAITING_RUNS - 1, "waiting"],
  ["queue", true, MAX_WAITING_RUNS, "skipped"],
] as const)(
  "with overlap %s, active %s and %i waiting, a slot is %s",
  (overlap, isActive, n, is) => {
    expect(startOfRun(overlap, { isActive, waiting: n })).toBe(is);
  },
);

describe("a run of a job, after any history of answers and crashes", () => {
  const outcomes = fc.constantFrom<WebhookOutcome | "crash">(
    "crash",
    unanswered("deadline"),
    webhookOutcomeOf(200, null, 0),
    webhookOutcomeOf(500, null, 0),
    webhookOutcomeOf(503, "120", 0),
  );
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const fresh = { status: "pending", generation: 1, attempts: 0, firstAt: null, dueAt: 0 } as const;

  /** One call. @returns the run after it, whether it used up an attempt, and what was wrong */
  function call(
    run: DeliveryState & { status: "pending" },
    outcome: WebhookOutcome | "crash",
    retries: JobRetries,
    at: { random: number },
  ): { next: DeliveryState; isFailure: boolean; wrong: string[] } {
    const claimed = claimDelivery(run, { token: "t", now: run.dueAt });
    if (claimed?.status !== "delivering") throw new Error("it is due");
    const isCrash = outcome === "crash";
    const now = isCrash ? run.dueAt + DELIVERY_LEASE_MS : run.dueAt;
    const firstAt = claimed.firstAt ?? now;
    const observed = isCrash ? unanswered("lease-expired") : outcome;
    const next = settleDelivery({ ...claimed, firstAt }, observed, {
      now,
      random: at.random,
      retries: jobRetryRules(retries),
    });
    const isWait = (isCrash || observed.kind === "busy") && now - firstAt < HOUR_MS;
    const wrong: string[] = [];
    const check = (text: string, isRight: boolean): void => void (isRight || wrong.push(text));
    check("what was lost or has to wait goes on", !isWait || next.status === "pending");
    check(
      "only a 2xx is success",
      (next.status === "delivered") === (observed.kind === "delivered"),
    );
    if (next.status === "pending")
      check("it is repeated within bounds", next.dueAt - now <= 1.2 * HOUR_MS + 2_000);
    return { next, isFailure: !isWait && observed.kind !== "delivered", wrong };
  }

  it("dies after 1 + max failures and no earlier, and what was lost is none", () => {
    const limits = fc.record({
      max: fc.nat(10),
      backoffMs: fc.integer({ min: 1_000, max: DAY_MS }),
    });
    fc.assert(
      fc.property(limits, fc.array(outcomes, { maxLength: 40 }), random, (retries, history, n) => {
        let run: DeliveryState = fresh;
        let failures = 0;
        for (const outcome of history) {
          if (run.status !== "pending") break;
          const { next, isFailure, wrong } = call(run, outcome, retries, { random: n });
          expect(wrong).toEqual([]);
          failures += isFailure ? 1 : 0;
          run = next;
        }
        expect(run.status === "dead").toBe(failures === retries.max + 1);
      }),
    );
  });

  it("waits twice as long before each further attempt, up to an hour", () => {
    const { waitMs } = jobRetryRules({ max: 10, backoffMs: 10_000 });
    const waits = Array.from({ length: 11 }, (_, n) => waitMs(n + 1, 0.5, null));
    expect(waits.slice(0, 4)).toEqual([10_000, 20_000, 40_000, 80_000]);
    expect(waits.slice(8)).toEqual([2_560_000, 3_600_000, null]);
  });
});

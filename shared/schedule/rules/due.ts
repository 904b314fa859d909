import { Cron } from "croner";

/** When tasks are due, in UTC. Pure. */

/** A slot is a time at which a task should run, in milliseconds since the epoch. */
export type DueSlots = {
  /** The latest slot that has come: the one to run. */
  slot: number;
  /** The earlier slots that nothing ran. They are not run later; the history lists them. */
  missed: MissedSlots | null;
};

/** `count` slots from `from` to `until`, both included. */
export type MissedSlots = { from: number; until: number; count: number };

/**
 * The slots of a schedule that have come since `after`. However long nothing ran, only the latest
 * slot is run.
 *
 * @param cron five fields (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html)
 * @param after the last slot that was run or missed, or when the task was first seen
 * @returns null if no slot has come since
 */
export function dueSlots(cron: string, after: number, now: number): DueSlots | null {
  const schedule = parsed(cron);
  const first = schedule.nextRun(new Date(after))?.getTime();
  if (first === undefined || first > now) return null;
  // `before` excludes its own moment.
  const slot = before(schedule, now + 1) ?? first;
  if (slot <= first) return { slot: first, missed: null };
  const until = before(schedule, slot) ?? first;
  return {
    slot,
    missed: { from: first, until, count: countBetween(schedule, cron, first, until) },
  };
}

/**
 * How far a task has come: its last slot that was run, skipped or missed, and under which schedule.
 * `cron`: null if it was stored by a release that did not store the schedule. `retiredAt`: since
 * when no task of that name is registered.
 */
export type ScheduleState = { lastSlot: number; cron: string | null; retiredAt: number | null };

/**
 * What is due for a task, and its state once that is recorded. `slot`: the slot to run; null if
 * only missed slots or a new state are to be recorded.
 */
export type DueRun = { slot: number | null; missed: MissedSlots | null; next: ScheduleState };

/**
 * The trigger of a slot comes within a minute after it. A new schedule runs a slot of the last
 * minute, and no earlier one.
 */
export const FIRST_SLOT_MS = 60_000;

/**
 * What is due for a task under the schedule that is registered now. Unrun slots of its earlier
 * schedule count as missed. A new schedule does not backfill earlier slots.
 *
 * @param cron null if no task of that name is registered any more
 * @returns null if there is nothing to run or to record
 */
export function dueRun(state: ScheduleState, cron: string | null, now: number): DueRun | null {
  const { retiredAt } = state;
  // A clock that was ahead must not stop the task until the other clocks catch up.
  const lastSlot = state.lastSlot > now + FIRST_SLOT_MS ? now - FIRST_SLOT_MS : state.lastSlot;
  const earlier = state.cron ?? cron;
  if (retiredAt === null && cron !== null && cron === earlier) {
    const due = dueSlots(cron, lastSlot, now);
    return due === null ? null : { ...due, next: { lastSlot: due.slot, cron, retiredAt: null } };
  }
  if (cron === null && retiredAt !== null) return null;
  const begins = Math.max(lastSlot, now - FIRST_SLOT_MS);
  const slot = cron === null ? null : (dueSlots(cron, begins, now)?.slot ?? null);
  // A slot that both schedules have is run, not missed.
  const missed =
    retiredAt === null && earlier !== null
      ? slotsAfter(earlier, lastSlot, slot === null ? now : slot - 1)
      : null;
  if (cron === null)
    return {
      slot,
      missed,
      next: { lastSlot: missed?.until ?? lastSlot, cron: earlier, retiredAt: now },
    };
  return {
    slot,
    missed,
    next: { lastSlot: slot ?? Math.max(begins, missed?.until ?? 0), cron, retiredAt: null },
  };
}

/** Every slot after one moment, up to and including another; null if there is none. */
function slotsAfter(cron: string, after: number, until: number): MissedSlots | null {
  const due = dueSlots(cron, after, until);
  if (due === null) return null;
  const { slot, missed } = due;
  return missed === null
    ? { from: slot, until: slot, count: 1 }
    : { from: missed.from, until: slot, count: missed.count + 1 };
}

/**
 * The first slot after a moment.
 *
 * @throws Error for a schedule that never comes, such as the 30th of February
 */
export function nextSlot(cron: string, after: number): number {
  const next = parsed(cron).nextRun(new Date(after));
  if (next === null) throw new Error(`the schedule "${cron}" never comes`);
  return next.getTime();
}

/** @throws Error if `cron` is not a schedule of five fields */
function parsed(cron: string): Cron {
  // With a fixed offset croner skips its time zone calendar, which is several times slower.
  return new Cron(cron, { utcOffset: 0, mode: "5-part", paused: true });
}

function before(schedule: Cron, moment: number): number | undefined {
  return schedule.previousRuns(1, new Date(moment))[0]?.getTime();
}

/**
 * The number of slots from one to another, both included. Most schedules are periodic, so only one
 * period and the remainder are counted one by one.
 */
function countBetween(schedule: Cron, cron: string, from: number, until: number): number {
  const periodMs = periodOf(cron);
  if (periodMs === null || until - from < periodMs) return countRuns(schedule, from, until);
  const periods = Math.floor((until - from) / periodMs);
  return (
    periods * countRuns(schedule, from, from + periodMs - 1) +
    countRuns(schedule, from + periods * periodMs, until)
  );
}

/** Counts the slots one by one. @param from a slot */
function countRuns(schedule: Cron, from: number, until: number): number {
  let count = 0;
  for (let slot: number | undefined = from; slot !== undefined && slot <= until; count += 1) {
    slot = schedule.nextRun(new Date(slot))?.getTime();
  }
  return count;
}

const HOUR_MS = 3_600_000;

/** Days of the week without `#` and `L`, which count the weeks of a month. */
const plainWeekday = /^([0-7*,/-]|sun|mon|tue|wed|thu|fri|sat)+$/i;

/**
 * The period of a schedule, in milliseconds. Null for a schedule by days or weeks of the month,
 * which has few slots. In UTC all days have the same length.
 */
function periodOf(cron: string): number | null {
  const [, hour, day, month, weekday = ""] = cron.trim().split(/\s+/);
  if (day !== "*" || month !== "*" || !plainWeekday.test(weekday)) return null;
  if (weekday !== "*") return 7 * 24 * HOUR_MS;
  return hour === "*" ? HOUR_MS : 24 * HOUR_MS;
}

import { Cron } from "croner";

/** When tasks are due, in UTC. Pure. */

/** A slot is a time at which a task should run, in milliseconds since the epoch. */
export type Due = {
  /** The latest slot that has come: the one to run. */
  slot: number;
  /**
   * The slots before it for which nothing ran. They are not made up for, but they stand in the
   * history.
   */
  missed: Missed | null;
};

/** `count` slots from `from` to `until`, both included. */
export type Missed = { from: number; until: number; count: number };

/**
 * What a task owes at a moment. However long nothing ran, it owes one run: of its latest slot.
 *
 * @param cron five fields (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html)
 * @param after the slot that was dealt with last, or when the task was first seen
 * @returns null if no slot has come since
 */
export function dueAt(cron: string, after: number, now: number): Due | null {
  const schedule = parsed(cron);
  const first = schedule.nextRun(new Date(after))?.getTime();
  if (first === undefined || first > now) return null;
  // The reference itself is left out.
  const slot = before(schedule, now + 1) ?? first;
  if (slot <= first) return { slot: first, missed: null };
  const until = before(schedule, slot) ?? first;
  return {
    slot,
    missed: { from: first, until, count: countBetween(schedule, cron, first, until) },
  };
}

/**
 * Where a task stands: the slot that was dealt with last, and under which schedule. `cron`: null if
 * a release reached it that did not write that down. `retiredAt`: since when no task of that name
 * is registered.
 */
export type Standing = { lastSlot: number; cron: string | null; retiredAt: number | null };

/** What a task owes, and where it stands once that is dealt with. `slot`: the one to run. */
export type Owed = { slot: number | null; missed: Missed | null; next: Standing };

/**
 * The trigger of a slot comes within its minute: a schedule that is new then has that slot, and
 * none before it.
 */
export const FIRST_SLOT_MS = 60_000;

/**
 * What a task owes under the schedule that is registered now. What its earlier schedule owed until
 * then was missed; before that the new one owes nothing.
 *
 * @param cron null if no task of that name is registered any more
 * @returns null if there is nothing to do
 */
export function owedBy(standing: Standing, cron: string | null, now: number): Owed | null {
  const { retiredAt } = standing;
  // A clock that was ahead must not keep the task from running until the others have caught up.
  const lastSlot =
    standing.lastSlot > now + FIRST_SLOT_MS ? now - FIRST_SLOT_MS : standing.lastSlot;
  const earlier = standing.cron ?? cron;
  if (retiredAt === null && cron !== null && cron === earlier) {
    const due = dueAt(cron, lastSlot, now);
    return due === null ? null : { ...due, next: { lastSlot: due.slot, cron, retiredAt: null } };
  }
  if (cron === null && retiredAt !== null) return null;
  const begins = Math.max(lastSlot, now - FIRST_SLOT_MS);
  const slot = cron === null ? null : (dueAt(cron, begins, now)?.slot ?? null);
  // A slot that both schedules have is run.
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

/** Every slot after one moment, up to another; null if there is none. */
function slotsAfter(cron: string, after: number, until: number): Missed | null {
  const due = dueAt(cron, after, until);
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

/** @throws Error for what is no schedule of five fields */
function parsed(cron: string): Cron {
  // As an offset, UTC is spared the calendar of time zones, which takes several times as long.
  return new Cron(cron, { utcOffset: 0, mode: "5-part", paused: true });
}

function before(schedule: Cron, moment: number): number | undefined {
  return schedule.previousRuns(1, new Date(moment))[0]?.getTime();
}

/**
 * How many slots there are from one to another, both included. Most schedules repeat, so that only
 * one period has to be gone through.
 */
function countBetween(schedule: Cron, cron: string, from: number, until: number): number {
  const periodMs = periodOf(cron);
  if (periodMs === null || until - from < periodMs) return walk(schedule, from, until);
  const periods = Math.floor((until - from) / periodMs);
  return (
    periods * walk(schedule, from, from + periodMs - 1) +
    walk(schedule, from + periods * periodMs, until)
  );
}

/** @param from a slot */
function walk(schedule: Cron, from: number, until: number): number {
  let count = 0;
  for (let slot: number | undefined = from; slot !== undefined && slot <= until; count += 1) {
    slot = schedule.nextRun(new Date(slot))?.getTime();
  }
  return count;
}

const HOUR_MS = 3_600_000;

/**
 * After how long a schedule repeats itself; null for one that goes by the days of months, which are
 * few. In UTC every day is as long as any other.
 */
function periodOf(cron: string): number | null {
  const [, hour, day, month, weekday] = cron.trim().split(/\s+/);
  if (day !== "*" || month !== "*") return null;
  if (weekday !== "*") return 7 * 24 * HOUR_MS;
  return hour === "*" ? HOUR_MS : 24 * HOUR_MS;
}

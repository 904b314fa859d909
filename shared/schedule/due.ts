import { Cron } from "croner";

/** When tasks are due, in UTC. Pure. */

/** A slot is a time at which a task should run, in milliseconds since the epoch. */
export type Due = {
  /** The latest slot that has come: the one to run. */
  slot: number;
  /** The slots before it for which nothing ran. They are not made up for, but they stand in the history. */
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
  return { slot, missed: { from: first, until, count: countBetween(schedule, cron, first, until) } };
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
  return new Cron(cron, { timezone: "UTC", mode: "5-part", paused: true });
}

function before(schedule: Cron, moment: number): number | undefined {
  return schedule.previousRuns(1, new Date(moment))[0]?.getTime();
}

/** How many slots there are from one to another, both included. Most schedules repeat, so that only one period has to be gone through. */
function countBetween(schedule: Cron, cron: string, from: number, until: number): number {
  const periodMs = periodOf(cron);
  if (periodMs === null || until - from < periodMs) return walk(schedule, from, until);
  const periods = Math.floor((until - from) / periodMs);
  return periods * walk(schedule, from, from + periodMs - 1) + walk(schedule, from + periods * periodMs, until);
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

/** After how long a schedule repeats itself; null for one that goes by the days of months, which are few. In UTC every day is as long as any other. */
function periodOf(cron: string): number | null {
  const [, hour, day, month, weekday] = cron.trim().split(/\s+/);
  if (day !== "*" || month !== "*") return null;
  if (weekday !== "*") return 7 * 24 * HOUR_MS;
  return hour === "*" ? HOUR_MS : 24 * HOUR_MS;
}

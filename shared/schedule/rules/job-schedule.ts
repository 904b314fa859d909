import { Cron } from "croner";
import { dueSlots, type DueSlots } from "./due.ts";

/** When a job is due. Pure. */

/**
 * `cron`: five fields in an IANA time zone; croner defines what a change of the clocks does to it.
 * `every`: each so many milliseconds after `from`. `at`: once.
 */
export type JobSchedule =
  | { kind: "cron"; cron: string; timeZone: string }
  | { kind: "every"; everyMs: number; from: number }
  | { kind: "at"; at: number };

/** Missed slots of a time zone are counted up to this: each takes a tenth of a millisecond. */
export const MAX_COUNTED_SLOTS = 100;

/**
 * The first slot after a moment; null if there is none.
 *
 * @throws Error if `cron` is not a schedule of five fields
 */
export function nextJobSlot(schedule: JobSchedule, after: number): number | null {
  switch (schedule.kind) {
    case "at":
      return schedule.at > after ? schedule.at : null;
    case "every": {
      const { everyMs, from } = schedule;
      return from + (Math.floor(Math.max(after - from, 0) / everyMs) + 1) * everyMs;
    }
    case "cron":
      return parsed(schedule).nextRun(new Date(after))?.getTime() ?? null;
  }
}

/** Up to `count` slots after a moment. */
export function jobSlots(schedule: JobSchedule, after: number, count: number): number[] {
  const slots: number[] = [];
  for (
    let slot = nextJobSlot(schedule, after);
    slot !== null && slots.length < count;
    slot = nextJobSlot(schedule, slot)
  )
    slots.push(slot);
  return slots;
}

/**
 * The slots that have come from `first` on: the latest, and the earlier ones that nothing ran.
 *
 * @param first a slot of the schedule; null or a later time: none has come
 */
export function dueJobSlots(
  schedule: JobSchedule,
  first: number | null,
  now: number,
): DueSlots | null {
  if (first === null || first > now) return null;
  switch (schedule.kind) {
    case "at":
      return { slot: first, missed: null };
    case "every": {
      const earlier = Math.floor((now - first) / schedule.everyMs);
      const slot = first + earlier * schedule.everyMs;
      const until = slot - schedule.everyMs;
      return { slot, missed: earlier === 0 ? null : { from: first, until, count: earlier } };
    }
    case "cron":
      return schedule.timeZone === "UTC"
        ? dueSlots(schedule.cron, first - 1, now)
        : dueInZone(parsed(schedule), first, now);
  }
}

function parsed({ cron, timeZone }: { cron: string; timeZone: string }): Cron {
  const zone = timeZone === "UTC" ? { utcOffset: 0 } : { timezone: timeZone };
  return new Cron(cron, { ...zone, mode: "5-part", paused: true });
}

export function isCron(text: string): boolean {
  // Croner also reads a date.
  if (text.trim().split(/\s+/).length !== 5) return false;
  try {
    parsed({ cron: text, timeZone: "UTC" });
    return true;
  } catch {
    return false;
  }
}

/** Whether it is the name of a zone, and no offset: those have no changes of the clocks. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/**
 * Only what `nextRun` answers decides: whether a time is a slot must not depend on the direction
 * in which it is looked for.
 */
function dueInZone(schedule: Cron, first: number, now: number): DueSlots {
  const after = (moment: number): number =>
    schedule.nextRun(new Date(moment))?.getTime() ?? Infinity;
  const slot = latestInZone(after, first, now);
  if (slot === first) return { slot, missed: null };
  const until = latestInZone(after, first, slot - 1);
  let count = 1;
  for (let one = first; one < until && count < MAX_COUNTED_SLOTS; count += 1) one = after(one);
  return { slot, missed: { from: first, until, count } };
}

/** The latest slot up to `now`, by halving the time in which it lies. @param first a slot */
function latestInZone(after: (moment: number) => number, first: number, now: number): number {
  let [slot, end] = [first, now];
  for (let next = after(slot); next <= end; next = after(slot)) {
    slot = next;
    const middle = slot + Math.floor((end - slot) / 2);
    const later = after(middle);
    if (later <= end) slot = later;
    else end = middle;
  }
  return slot;
}

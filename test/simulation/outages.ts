/** Times at which something does not work. */

export type Interval = { from: number; until: number };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * Outages at random: most for minutes or hours, some for days.
 *
 * @param everyDays how many days lie between two of them, on average
 */
export function outages(
  random: () => number,
  { from, until }: Interval,
  everyDays: number,
): Interval[] {
  const found: Interval[] = [];
  for (let at = from; ;) {
    at += -Math.log(1 - random()) * everyDays * DAY_MS;
    const lastsMs = random() < 0.8 ? random() * 2 * HOUR_MS : random() * 2 * DAY_MS;
    if (at + lastsMs >= until) return found;
    found.push({ from: at, until: at + lastsMs });
    at += lastsMs;
  }
}

export function isIn(intervals: readonly Interval[], at: number): boolean {
  let [low, high] = [0, intervals.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((intervals[middle]?.until ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  const next = intervals[low];
  return next !== undefined && next.from <= at;
}

/**
 * Whether a schedule has a slot in the minute that begins then. Only numbers, `*` and a step:
 * written without croner, to check on it.
 */
export function hasSlot(cron: string, minute: number): boolean {
  const at = new Date(minute);
  const values = [
    at.getUTCMinutes(),
    at.getUTCHours(),
    at.getUTCDate(),
    at.getUTCMonth() + 1,
    at.getUTCDay(),
  ];
  return cron.split(" ").every((field, n) => {
    const value = values[n] ?? 0;
    if (field === "*") return true;
    return field.startsWith("*/") ? value % Number(field.slice(2)) === 0 : value === Number(field);
  });
}

/** Every slot after one moment, up to another. */
export function slotsBetween(cron: string, after: number, until: number): number[] {
  const slots: number[] = [];
  for (
    let minute = Math.floor(after / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
    minute <= until;
    minute += MINUTE_MS
  ) {
    if (hasSlot(cron, minute)) slots.push(minute);
  }
  return slots;
}

/** The latest slot that has come at a moment. */
export function latestSlot(cron: string, at: number): number {
  let minute = Math.floor(at / MINUTE_MS) * MINUTE_MS;
  while (!hasSlot(cron, minute)) minute -= MINUTE_MS;
  return minute;
}

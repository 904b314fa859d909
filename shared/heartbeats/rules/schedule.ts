import { Cron } from "croner";
import * as v from "valibot";
import { DAY_MS } from "../../lib/base/clock.ts";

/** When a heartbeat expects its next ping. Pure. */

const SECOND_MS = 1_000;
const units = { s: SECOND_MS, m: 60 * SECOND_MS, h: 3_600 * SECOND_MS, d: DAY_MS } as const;
const MIN_MS = 60 * SECOND_MS;
export const MAX_MS = 365 * DAY_MS;

const EVERY = /^([1-9]\d{0,8})([smhd])$/;

/** Null for what is no interval. */
function intervalMs(text: string): number | null {
  const [, number = "", unit = ""] = EVERY.exec(text) ?? [];
  return number === "" ? null : Number(number) * units[unit as keyof typeof units];
}

function isInterval(text: string): boolean {
  const ms = intervalMs(text);
  return ms !== null && ms >= MIN_MS && ms <= MAX_MS;
}

/** Five fields. With a zone, the hours that its clock skips or repeats are as croner defines. */
const parsed = (cron: string, timeZone: string): Cron =>
  new Cron(cron, { mode: "5-part", paused: true, timezone: timeZone });

/** Whether it is a schedule of five fields, and a time follows. */
function comesAgain(cron: string): boolean {
  try {
    return parsed(cron, "UTC").nextRun(new Date(0)) !== null;
  } catch {
    return false;
  }
}

function isTimeZone(name: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}

const cron = v.pipe(
  v.string("must be text"),
  v.maxLength(100, "must have at most 100 characters"),
  v.check(comesAgain, "must be a cron expression of five fields that comes again"),
);
const timeZone = v.pipe(
  v.string("must be text"),
  v.maxLength(50, "must have at most 50 characters"),
  v.check(isTimeZone, "must be a time zone of IANA, such as Europe/Berlin"),
);
const every = v.pipe(
  v.string("must be text"),
  v.check(isInterval, 'must be from "60s" to "365d", in s, m, h or d'),
);

/** `{every}` counts from the last ping; `{cron, timeZone?}` names times, in UTC by default. */
export const heartbeatSchedule = v.pipe(
  v.strictObject({
    every: v.optional(every),
    cron: v.optional(cron),
    timeZone: v.optional(timeZone),
  }),
  v.check(
    (given) => (given.every === undefined) !== (given.cron === undefined),
    "must have either every or cron",
  ),
  v.check(
    (given) => given.timeZone === undefined || given.cron !== undefined,
    "must have timeZone only with cron",
  ),
);
export type HeartbeatSchedule = v.InferOutput<typeof heartbeatSchedule>;

/** When the next ping is expected after one. */
export function nextPingAt(
  { every: interval, cron: fields, timeZone: zone }: HeartbeatSchedule,
  after: number,
): number {
  if (interval !== undefined) return after + (intervalMs(interval) ?? MAX_MS);
  const next = parsed(fields ?? "", zone ?? "UTC").nextRun(new Date(after));
  // A schedule that comes no more is checked when it is stored.
  return next === null ? after + MAX_MS : next.getTime();
}

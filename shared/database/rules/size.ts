import { DAY_MS } from "../../lib/base/clock.ts";

/** How full the database is, and when it will be. Pure. */

/** `day`: when the day began, in milliseconds since the epoch. `bytes`: at its first look. */
export type DaySize = { day: number; bytes: number };

/**
 * `bytes`: without free pages. `limitBytes`: as set, or less if a write found no room before.
 * `fullInDays`: at the rate of the last two weeks; null if it does not grow, or is not known.
 */
export type DatabaseSize = { bytes: number; limitBytes: number; fullInDays: number | null };

type Bytes = Pick<DatabaseSize, "bytes" | "limitBytes">;

/** From this share on new emails and users are refused... */
const REFUSE_SHARE = 0.95;
/** ...until it is below this one. */
const ACCEPT_SHARE = 0.93;
/** From each of these shares on an alert fires, in percent. */
export const alertPercents = [70, 85, 95] as const;

/** The rate is that of these days. */
export const RATE_DAYS = 14;

/**
 * The limit that holds. A write that found no room has shown a lower one than the setting, until
 * the database is larger than it was then.
 *
 * @param fullBytes how large it was when a write found no room; null if none did
 */
export function limitThatHolds({ bytes, limitBytes }: Bytes, fullBytes: number | null): number {
  return fullBytes === null || bytes > fullBytes ? limitBytes : Math.min(limitBytes, fullBytes);
}

/** Whether new emails and users are refused now. `before`: whether they were. */
export function refusesNew({ bytes, limitBytes }: Bytes, before: boolean): boolean {
  return bytes >= (before ? ACCEPT_SHARE : REFUSE_SHARE) * limitBytes;
}

/** The forecast, from sizes of earlier days in any order. Less than a day shows nothing. */
export function sizeWithForecast(
  { bytes, limitBytes }: Bytes,
  earlier: readonly DaySize[],
  now: number,
): DatabaseSize {
  const known = earlier.filter(
    ({ day }) => now - day >= DAY_MS && now - day <= (RATE_DAYS + 1) * DAY_MS,
  );
  const oldest = known.toSorted((one, other) => one.day - other.day)[0];
  if (oldest === undefined || oldest.bytes >= bytes) return { bytes, limitBytes, fullInDays: null };
  const perDay = (bytes - oldest.bytes) / ((now - oldest.day) / DAY_MS);
  const fullInDays = Math.max(Math.floor((limitBytes - bytes) / perDay), 0);
  return { bytes, limitBytes, fullInDays };
}

/** As "71 % of 10.0 GB, full in 41 days at this rate". */
export function sizeText({ bytes, limitBytes, fullInDays }: DatabaseSize): string {
  const share = `${Math.floor((100 * bytes) / limitBytes)} % of ${bytesText(limitBytes)}`;
  if (fullInDays === null) return share;
  const days = fullInDays === 1 ? "1 day" : `${fullInDays} days`;
  return `${share}, full in ${days} at this rate`;
}

const bytesText = (bytes: number): string =>
  bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

import { DAY_MS } from "../../lib/base/clock.ts";

/**
 * How many emails may be accepted on a day in UTC. `own`: of the tenant. `all`: of all tenants
 * together. Null: no limit. Emails that Luna sends by itself are not counted.
 */
export type DailyLimits = { own: number | null; all: number | null };

/** Which of the limits refuses an email. */
export type ReachedLimit = "own" | "all";

/** Days since the epoch. */
export const daysSinceEpoch = (now: number): number => Math.floor(now / DAY_MS);

/** How long until the next day begins, in milliseconds. */
export const untilNextDayMs = (now: number): number => DAY_MS - (now % DAY_MS);

import { jittered } from "../../lib/base/backoff.ts";

/** When a delivery that failed is tried again. Pure: the random number comes from the caller. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** When a receiver is called again. `random`: in [0, 1). */
export type RetryRules = {
  /**
   * How long the next attempt waits; null if there is none. `attempts`: that failed, from 1 on.
   */
  waitMs: (attempts: number, random: number, retryAfterMs: number | null) => number | null;
  /** How long a receiver is left alone that asked for it. */
  leaveAloneMs: (retryAfterMs: number, random: number) => number;
  /** How long after its first attempt a delivery uses up no attempt while it has to wait. */
  patienceMs: number;
  /** Whether an attempt whose outcome was lost is such a wait. */
  repeatsLost: boolean;
};

/** The waits after each failed attempt, over more than a day. */
const WAITS_MS = [
  5_000,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  10 * HOUR_MS,
];

export const MAX_ATTEMPTS = WAITS_MS.length + 1;

/** The longest time that a receiver's Retry-After is obeyed. */
export const MAX_RETRY_AFTER_MS = 12 * HOUR_MS;

/**
 * How long after its first attempt a receiver that asks for more time can keep a delivery from
 * using up its attempts.
 */
export const PATIENCE_MS = 36 * HOUR_MS;

/**
 * How long the next attempt waits, with +-20 % jitter. A Retry-After is the floor.
 *
 * @param attempts that failed, from 1 on
 * @param random in [0, 1)
 * @returns null if there is no further attempt
 */
export function retryWaitMs(
  attempts: number,
  random: number,
  retryAfterMs: number | null,
): number | null {
  const waitMs = WAITS_MS[attempts - 1];
  if (waitMs === undefined) return null;
  return Math.max(jittered(waitMs, random), bounded(retryAfterMs ?? 0));
}

/** How long a receiver is left alone that asked for it. */
export function leaveAloneMs(retryAfterMs: number, random: number): number {
  return bounded(retryAfterMs) + jittered(1_000, random);
}

const bounded = (retryAfterMs: number): number =>
  Math.min(Math.max(retryAfterMs, 0), MAX_RETRY_AFTER_MS);

export const webhookRetries: RetryRules = {
  waitMs: retryWaitMs,
  leaveAloneMs,
  patienceMs: PATIENCE_MS,
  repeatsLost: false,
};

import { backoffMs } from "../../lib/base/backoff.ts";
import { DAY_MS } from "../../lib/base/clock.ts";

/** When an email that was refused is tried again. Pure: the random number comes from the caller. */
export type RetryPolicy = {
  /** Attempts after the first. */
  maxRetries: number;
  baseDelayMs: number;
  maxDelayMs: number;
};

/**
 * `min(base * 2^(retry - 1), max)` with +-20 % jitter: 1, 2, 4 s by default. A provider's
 * Retry-After is the floor, clamped to a day (RFC 9110, 10.2.3 sets no limit).
 *
 * @param retry 1 for the first retry
 * @param random in [0, 1)
 */
export function retryDelayMs(
  policy: RetryPolicy,
  retry: number,
  random: number,
  retryAfterMs = 0,
): number {
  const jitteredMs = backoffMs(
    { baseMs: policy.baseDelayMs, maxMs: policy.maxDelayMs },
    retry,
    random,
  );
  return Math.round(Math.max(jitteredMs, Math.min(Math.max(retryAfterMs, 0), DAY_MS)));
}

const HOUR_MS = 3_600_000;

/**
 * When a provider is asked again about an email whose outcome is open, under the same key: like a
 * retry, but doubling up to an hour, since it may go on for a day.
 *
 * @param attempts how often it was handed over
 */
export function repeatDelayMs(
  policy: RetryPolicy,
  attempts: number,
  random: number,
  retryAfterMs: number,
): number {
  return retryDelayMs(
    { ...policy, maxDelayMs: Math.max(policy.maxDelayMs, HOUR_MS) },
    attempts,
    random,
    retryAfterMs,
  );
}

/**
 * How long an email waits for a circuit breaker at most before it looks again: an operator may
 * close it earlier than it announced.
 */
export const MAX_DEFERRAL_MS = 60_000;

/**
 * Queues delay by whole seconds. Rounded up, because a notification before the email is due has no
 * effect.
 */
export function notificationDelaySeconds(dueAt: number, now: number): number {
  return Math.min(Math.max(Math.ceil((dueAt - now) / 1_000), 0), MAX_NOTIFICATION_DELAY_SECONDS);
}

/**
 * The longest delay on which the queue's documentation agrees with itself. The sweeper notifies
 * of what is due later.
 */
const MAX_NOTIFICATION_DELAY_SECONDS = 43_200;

const FIRST_NOTIFICATION_AFTER_MS = 60_000;
const MAX_NOTIFICATION_DOUBLINGS = 4;

/**
 * When the sweeper may notify again of a row that was not claimed: 60 s * 2^`rings` after it was
 * due or notified of, 16 minutes at most.
 */
export function nextNotificationAt(dueAt: number, now: number, rings: number): number {
  return (
    Math.max(dueAt, now) +
    FIRST_NOTIFICATION_AFTER_MS * 2 ** Math.min(rings, MAX_NOTIFICATION_DOUBLINGS)
  );
}

/** If an email has been due for longer, delivery has stopped: health and alerts report it. */
export const MAX_DUE_AGE_MS = 300_000;

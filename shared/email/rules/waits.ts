import { backoffMs } from "../../lib/base/backoff.ts";
import type { RetryPolicy } from "./retry-policy.ts";

/**
 * How long an email waits after an answer that it did not cause, and when that ends. Pure.
 *
 * | Class | Example | Tried again after | Ends after, as |
 * |---|---|---|---|
 * | `needs-time` | greylisting, a full mailbox | 1, 2, 4 minutes, up to 4 h | the window |
 * | `rate` | too many emails | the delays of a retry | the longest wait, `server` |
 * | `server` | no connection, a shutdown | 1, 2, 4 s, up to 15 minutes | the same |
 *
 * None of them uses up an attempt. What the server asks for is the floor of the wait. A limit of 0
 * hours ends its classes: their answers use up attempts, as any other refusal for now.
 */
export const waitClasses = ["needs-time", "rate", "server"] as const;
export type WaitClass = (typeof waitClasses)[number];

export type WaitLimits = {
  /** `EMAIL_RETRY_WINDOW_HOURS` */
  retryWindowMs: number;
  /** `EMAIL_MAX_WAIT_HOURS` */
  maxWaitMs: number;
};

/** What an email has waited for: `count` answers of one class, one after another. */
export type Waited = { class: WaitClass; count: number };

/**
 * `since`: when the generation first became due, in milliseconds since the epoch. `last`: what it
 * waited for until this attempt.
 */
export type WaitClock = { limits: WaitLimits; since: number; last: Waited | null };

/** Why an email is dead that has waited for too long. */
export const endOf = {
  "needs-time": "retry-window",
  rate: "server",
  server: "server",
} as const satisfies Record<WaitClass, string>;

/**
 * Until when an email may wait for something of a class, in milliseconds since the epoch; null if
 * that class does not wait.
 */
export function waitsUntil({ limits, since }: WaitClock, waitClass: WaitClass): number | null {
  const limitMs = waitClass === "needs-time" ? limits.retryWindowMs : limits.maxWaitMs;
  return limitMs === 0 ? null : since + limitMs;
}

/** The answers of that class by now, with this one. */
export function countedWith({ last }: WaitClock, waitClass: WaitClass): Waited {
  return { class: waitClass, count: last?.class === waitClass ? last.count + 1 : 1 };
}

const MINUTE_MS = 60_000;
const FIRST_WAIT_MS = MINUTE_MS;
const LONGEST_WAIT_MS = 240 * MINUTE_MS;
const LONGEST_SERVER_WAIT_MS = 15 * MINUTE_MS;

/**
 * @param askedMs what the server asks for: the floor
 * @param random in [0, 1), for jitter
 */
export function waitMs(
  { class: waitClass, count }: Waited,
  policy: RetryPolicy,
  askedMs: number,
  random: number,
): number {
  return Math.max(backoffMs(pauses(waitClass, policy), count, random), askedMs);
}

function pauses(waitClass: WaitClass, policy: RetryPolicy): { baseMs: number; maxMs: number } {
  const { baseDelayMs: baseMs, maxDelayMs } = policy;
  switch (waitClass) {
    case "needs-time":
      return { baseMs: FIRST_WAIT_MS, maxMs: LONGEST_WAIT_MS };
    case "rate":
      return { baseMs, maxMs: maxDelayMs };
    case "server":
      return { baseMs, maxMs: Math.max(maxDelayMs, LONGEST_SERVER_WAIT_MS) };
  }
}

/** What an email has waited for, by its columns. A pause is none of the classes. */
export const waitedOf = (waitClass: WaitClass | "paused" | null, count: number): Waited | null =>
  waitClass === null || waitClass === "paused" ? null : { class: waitClass, count };

import { DAY_MS } from "../../lib/base/clock.ts";
import type { AttemptDetail, Outcome } from "./outcome.ts";
import type { TransportName } from "./transports.ts";
import type { WaitLimits } from "./waits.ts";

/**
 * How fast the whole fleet hands emails to a transport that reports a limit. Pure.
 *
 * The fleet finds the rate that a server takes as TCP finds that of a path (RFC 5681, 3.1): an
 * answer about a rate halves the fleet's, and time without one raises it by little. The first such
 * answer halves what was under way, not what may have been (RFC 5681, equation 4). An answer to
 * what was reserved at the rate before does not halve it again (RFC 6582, 3.2). A server that
 * counts per minute refuses all for the rest of it: so the rate stays above half of what it took
 * within the last one.
 */

export const pacing = {
  slowedBy: 2,
  recoveryPerMinute: 1.05,
  /**
   * A server that counts per second still counts emails of the rate before for so long. An answer
   * to one that began within it does not count: so the rate halves once per second at most.
   */
  settleMs: 1_000,
  /** The least that a minute has at half of the rate of the last: then an email takes 10 s. */
  leastPerMinute: 12,
  /** Emails of the last minute are counted up to this. */
  countedPerMinute: 600,
  /** What is faster than this is no limit: one D1 marks fewer emails. */
  fastestEveryMs: 1,
} as const;

const MINUTE_MS = 60_000;

/** `everyMs`: milliseconds per email, by the last answer that counted. `at`: from when on. */
export type Slowed = { everyMs: number; at: number };

/**
 * The time that each email takes of the fleet's rate, in milliseconds; null without a limit.
 *
 * @param configuredMs the same by the settings
 */
export function everyMsAt(
  configuredMs: number | null,
  slowed: Slowed | null,
  now: number,
): number | null {
  if (slowed === null) return configuredMs;
  const minutes = Math.max(now - slowed.at, 0) / MINUTE_MS;
  const recoveredMs = slowed.everyMs / pacing.recoveryPerMinute ** minutes;
  return recoveredMs <= Math.max(configuredMs ?? 0, pacing.fastestEveryMs)
    ? configuredMs
    : recoveredMs;
}

/**
 * `beganAt`: when the hand-over began. `freeAt`: until then the rate before is reserved.
 * `underWay`: emails that the fleet handed over within the last second. `inMinute`: those that the
 * server took within the last minute, or some of them.
 */
type RateAnswered = {
  configuredMs: number | null;
  beganAt: number;
  freeAt: number;
  underWay: number;
  inMinute: number;
};

/** What an answer about a rate makes of the fleet's. */
export function slowedBy(
  { configuredMs, beganAt, freeAt, underWay, inMinute }: RateAnswered,
  slowed: Slowed | null,
  now: number,
): Slowed {
  if (slowed !== null && beganAt < slowed.at + pacing.settleMs) return slowed;
  const everyMs = everyMsAt(configuredMs, slowed, now) ?? 1_000 / Math.max(underWay, 1);
  const slowestMs = (pacing.slowedBy * MINUTE_MS) / Math.max(inMinute, pacing.leastPerMinute);
  return {
    everyMs: Math.max(everyMs, Math.min(everyMs * pacing.slowedBy, slowestMs)),
    at: Math.max(now, freeAt),
  };
}

/** How long the emails of one group may take of a rate together: they are under one lease. */
export const GROUP_SPAN_MS = 5_000;

/** How many emails of a group may go to a transport with that rate. */
export function mostAtOnce(everyMs: number | null): number {
  return everyMs === null ? Infinity : Math.max(1, Math.floor(GROUP_SPAN_MS / everyMs));
}

/** A limit that resets later than this closes its transport until then. */
const LONG_LIMIT_MS = 60_000;
/** No transport is closed for longer: a server may be mistaken, or mean a time of its own. */
const MAX_CLOSED_MS = DAY_MS;

/** How long a limit asks to wait, in milliseconds. */
export const limitResetsInMs = (retryAfterMs = 0): number => Math.min(retryAfterMs, MAX_CLOSED_MS);

/** For how long an answer closes its transport, in milliseconds; null if it does not. */
export function closesForMs(outcome: Outcome): number | null {
  if (outcome.kind !== "rate_limited") return null;
  const resetsInMs = limitResetsInMs(outcome.retryAfterMs);
  return resetsInMs > LONG_LIMIT_MS ? resetsInMs : null;
}

/** An answer about a rate. `closedUntil`: null if the limit resets soon. */
export type RateAnswer = {
  transport: TransportName;
  beganAt: number;
  closedUntil: number | null;
  detail: AttemptDetail;
};

/**
 * The answers to emails of one group that are about rates, one per transport: the one whose limit
 * resets last. Where emails do not wait for servers, nothing is slowed: each refusal uses up an
 * attempt, at its time.
 */
export function rateAnswersOf(
  ended: readonly { transport: TransportName; beganAt: number; outcome: Outcome }[],
  { maxWaitMs }: WaitLimits,
  now: number,
): RateAnswer[] {
  if (maxWaitMs === 0) return [];
  const answers = new Map<TransportName, RateAnswer>();
  for (const { transport, beganAt, outcome } of ended) {
    const { except = [], ...forAll } = outcome;
    for (const one of [forAll, ...except.map((other) => other.outcome)]) {
      if (one.kind !== "rate_limited") continue;
      const forMs = closesForMs(one);
      const closedUntil = forMs === null ? null : now + forMs;
      const before = answers.get(transport);
      if (before === undefined || (before.closedUntil ?? 0) < (closedUntil ?? 0))
        answers.set(transport, { transport, beganAt, closedUntil, detail: one.detail });
    }
  }
  return [...answers.values()];
}

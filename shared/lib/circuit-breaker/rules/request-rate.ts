/** An object takes more requests per second than this, and an outage makes more of them. */
const CALM_PER_SECOND = 300;
const LONGEST = 4;
const SLOT_MS = 5_000;

/**
 * How often an object was asked, kept in memory. The more isolates there are, the longer a snapshot
 * is fresh, so that they do not overload the object.
 */
export type RequestRate = {
  /** Times are in slots of five seconds. */
  readonly slot: number;
  readonly requests: number;
  /** A moving average of the slots before this one. */
  readonly perSecond: number;
};

export const noRequests: RequestRate = { slot: 0, requests: 0, perSecond: 0 };

export function addRequest(rate: RequestRate, now: number): RequestRate {
  const slot = Math.floor(now / SLOT_MS);
  if (slot === rate.slot) return { ...rate, requests: rate.requests + 1 };
  const before = slot === rate.slot + 1 ? rate.requests / (SLOT_MS / 1_000) : 0;
  return { slot, requests: 1, perSecond: (rate.perSecond + before) / 2 };
}

/** For how long a snapshot is fresh: `leaseMs`, above 300 per second up to four times. */
export function leaseMsAt(rate: RequestRate, leaseMs: number, now: number): number {
  const passedMs = Math.max(now - rate.slot * SLOT_MS, 1_000);
  const perSecond = Math.max(rate.perSecond, (rate.requests * 1_000) / passedMs);
  return Math.round(leaseMs * Math.min(Math.max(perSecond / CALM_PER_SECOND, 1), LONGEST));
}

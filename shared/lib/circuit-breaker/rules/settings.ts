/** When a breaker opens, for how long, and how it recovers. All durations in milliseconds. */
export type BreakerSettings = {
  /** The breaker opens after this many failures... */
  failures: number;
  /** ...if they are at least this share of the calls... */
  failureRatio: number;
  /** ...of the window, or of the calls since the failures began: see `evidence.ts`. */
  windowMs: number;
  /** Evidence opens the breaker only after the failures have lasted this long. */
  evidenceMs: number;
  /** From opening to the first probe. */
  openMs: number;
  /** From a failed probe to the next one, at least and at most: see `open-time.ts`. */
  retryMs: number;
  maxOpenMs: number;
  /** For how long an isolate may use a snapshot without asking again: see `request-rate.ts`. */
  leaseMs: number;
  /** The share of the calls that runs after a successful probe. 1: all, and there is no ramp. */
  rampShare: number;
  /** The share doubles in this time. */
  rampMs: number;
  /** The breaker opens if slow and failed calls together are at least this share of the calls. */
  slowRatio: number;
};

export const defaultSettings: BreakerSettings = {
  failures: 5,
  failureRatio: 0.5,
  windowMs: 60_000,
  evidenceMs: 2_000,
  openMs: 30_000,
  retryMs: 5_000,
  maxOpenMs: 60_000,
  leaseMs: 5_000,
  rampShare: 0.125,
  rampMs: 1_000,
  slowRatio: 0.8,
};

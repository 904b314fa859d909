/** When a breaker opens and for how long. All durations in milliseconds. */
export type BreakerSettings = {
  /** The breaker opens after this many failures in the window... */
  failures: number;
  /** ...if they are at least this share of the calls in the window. */
  failureRatio: number;
  windowMs: number;
  openMs: number;
  /** Each failed probe doubles the open time, up to this. */
  maxOpenMs: number;
  /** For how long an isolate may use a snapshot without asking again. */
  leaseMs: number;
};

export const defaultSettings: BreakerSettings = {
  failures: 5,
  failureRatio: 0.5,
  windowMs: 60_000,
  openMs: 30_000,
  maxOpenMs: 300_000,
  leaseMs: 5_000,
};

/** When a breaker opens and for how long. All durations in milliseconds. */
export type BreakerSettings = {
  /** This many failures in the window open it... */
  failures: number;
  /** ...if they are at least this share of the calls reported in the window. */
  failureRatio: number;
  windowMs: number;
  openMs: number;
  /** Each re-open doubles the open time up to this. */
  maxOpenMs: number;
  /** For how long a caller may act on what it was told without asking again. */
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

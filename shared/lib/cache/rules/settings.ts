/** What an operator can set. Times in milliseconds. */
export type CacheSettings = {
  /** How long a value is fresh. */
  ttlMs: number;
  /** The staleness bound: how long after a purge another isolate may still serve the old value. */
  stalenessMs: number;
  /** Tries of a call to KV after the first. */
  retries: number;
  /**
   * The longest that a call to KV may take, and that a read waits for a load. A read that joined
   * another read's load may wait once more, for a load of its own.
   */
  timeoutMs: number;
};

export const defaultCacheSettings: CacheSettings = {
  ttlMs: 300_000,
  stalenessMs: 2_000,
  retries: 2,
  timeoutMs: 5_000,
};

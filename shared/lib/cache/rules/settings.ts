/** What an operator may set; times in milliseconds. */
export type CacheSettings = {
  /** How long a value is fresh. */
  ttlMs: number;
  /** The bound: how long after a purge another isolate may still serve what was purged. */
  stalenessMs: number;
  /** Attempts after the first, of a call of KV. */
  retries: number;
  /**
   * The longest that a call of KV may take, and that a read waits for the origin: one that joined
   * another read's load which does not come waits once more, for a load of its own.
   */
  timeoutMs: number;
};

export const defaultCacheSettings: CacheSettings = {
  ttlMs: 300_000,
  stalenessMs: 2_000,
  retries: 2,
  timeoutMs: 5_000,
};

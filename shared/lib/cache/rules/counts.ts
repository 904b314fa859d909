/**
 * What an isolate counts about its cache. Plain numbers, so that counting a hit costs almost nothing.
 */
export type CacheCounts = {
  hitsL1: number;
  hitsL2: number;
  /** Hits that were stale and are being revalidated. */
  hitsStale: number;
  /** Reads for which the origin was asked. */
  misses: number;
  /** Misses that were answered with an older value, because the origin failed. */
  staleOnError: number;
  /** Misses that were answered by the caller's fallback. */
  fallbacks: number;
  /** Misses that were not answered. */
  unanswered: number;
  loads: number;
  loadErrors: number;
  refreshes: number;
  kvErrors: number;
  kvRateLimited: number;
  corrupt: number;
  tooLarge: number;
  writes: number;
  purges: number;
  tagIndexErrors: number;
};

export function noCounts(): CacheCounts {
  return {
    hitsL1: 0,
    hitsL2: 0,
    hitsStale: 0,
    misses: 0,
    staleOnError: 0,
    fallbacks: 0,
    unanswered: 0,
    loads: 0,
    loadErrors: 0,
    refreshes: 0,
    kvErrors: 0,
    kvRateLimited: 0,
    corrupt: 0,
    tooLarge: 0,
    writes: 0,
    purges: 0,
    tagIndexErrors: 0,
  };
}

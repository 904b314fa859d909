import { familyOf } from "./keys.ts";

/**
 * What an isolate counts about its cache. Plain numbers, so that counting a hit costs almost
 * nothing.
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
  /** Entries that were not kept: JSON changes the value, or they could not be purged. */
  unstorable: number;
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
    unstorable: 0,
    writes: 0,
    purges: 0,
    tagIndexErrors: 0,
  };
}

/**
 * The reads by source, each once. A hit is a read whose `Cache-Status` is `hit`: `l1`, `l2` and
 * `stale`. For all others the origin was asked, also for `stale_on_error`, which was answered with
 * an older value because the origin failed.
 */
export function readsBySource(counts: Readonly<CacheCounts>) {
  const { hitsL1, hitsL2, hitsStale, misses, staleOnError, fallbacks, unanswered } = counts;
  return {
    l1: hitsL1,
    l2: hitsL2,
    stale: hitsStale,
    stale_on_error: staleOnError,
    miss: misses - staleOnError - fallbacks - unanswered,
    fallback: fallbacks,
    unanswered,
  };
}

export function hitsIn(counts: Readonly<CacheCounts>): number {
  const { l1, l2, stale } = readsBySource(counts);
  return l1 + l2 + stale;
}

export function sumOfCounts(all: Iterable<Readonly<CacheCounts>>): CacheCounts {
  const sum = noCounts();
  for (const counts of all) for (const name of countNames) sum[name] += counts[name];
  return sum;
}

export const countNames = Object.keys(noCounts()) as (keyof CacheCounts)[];

/** Further families are counted together with what has no key. */
const MAX_FAMILIES = 50;

/** The counts of an isolate by family of keys. */
export class CountsByFamily {
  readonly #families = new Map<string, CacheCounts>([["", noCounts()]]);

  /** The counts of the key's family. `""`: what has no key, such as purges. */
  of(key: string): CacheCounts {
    const family = familyOf(key);
    const known = this.#families.get(family);
    if (known !== undefined) return known;
    if (this.#families.size > MAX_FAMILIES) return this.of("");
    const counts = noCounts();
    this.#families.set(family, counts);
    return counts;
  }

  get families(): ReadonlyMap<string, Readonly<CacheCounts>> {
    return this.#families;
  }
}

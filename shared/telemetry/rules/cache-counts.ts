import {
  countNames,
  noCounts,
  readsBySource,
  sumOfCounts,
  type CacheCounts,
} from "../../lib/cache/rules/index.ts";
import { cacheFamilies, type WorkerName } from "./metrics.ts";
import { parseSeries, seriesOf, type Series } from "./series.ts";

/**
 * The counts of the cache library in reports: `cache.<count>{worker=...,family=...}`. An isolate of
 * an older release reports them without labels. Pure.
 */

const PREFIX = "cache.";
/** The label of a Worker that is not Luna's, and of a family of keys that is not. */
const OTHER = "other";

/** The totals of an isolate's cache, as it reports them. Counts of 0 are left out. */
export function cacheTotals(
  worker: WorkerName | undefined,
  byFamily: ReadonlyMap<string, Readonly<CacheCounts>>,
): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const [family, counts] of byFamily) {
    const labels = {
      worker: worker ?? OTHER,
      family: cacheFamilies.find((known) => known === family) ?? OTHER,
    };
    for (const name of countNames) {
      if (counts[name] === 0) continue;
      const series = seriesOf(`${PREFIX}${name}`, labels);
      totals[series] = (totals[series] ?? 0) + counts[name];
    }
  }
  return totals;
}

/** The count that a series of a report is; null for a series of another part. */
export function cacheCountOf(name: string): keyof CacheCounts | null {
  return countNames.find((count) => name === `${PREFIX}${count}`) ?? null;
}

type Labelled = { labels: Record<string, string>; counts: CacheCounts };

/** The cache's counts among all totals, by their labels. */
function labelledCounts(totals: Readonly<Record<string, number>>): Labelled[] {
  const found = new Map<string, Labelled>();
  for (const [series, value] of Object.entries(totals)) {
    const { name, labels } = parseSeries(series);
    const count = cacheCountOf(name);
    if (count === null) continue;
    const key = seriesOf("", labels);
    const labelled = found.get(key) ?? { labels, counts: noCounts() };
    labelled.counts[count] += value;
    found.set(key, labelled);
  }
  return [...found.values()];
}

/** The cache's counts among all totals, of all Workers and families. */
export function cacheCountsIn(totals: Readonly<Record<string, number>>): CacheCounts {
  return sumOfCounts(labelledCounts(totals).map(({ counts }) => counts));
}

const errorKinds = {
  kvErrors: "kv",
  kvRateLimited: "kv_rate_limited",
  tagIndexErrors: "tag_index",
  corrupt: "corrupt",
  tooLarge: "too_large",
  unstorable: "unstorable",
  loadErrors: "load",
} as const satisfies Partial<Record<keyof CacheCounts, string>>;

const plain = {
  loads: "luna_cache_loads_total",
  refreshes: "luna_cache_refreshes_total",
  writes: "luna_cache_writes_total",
  purges: "luna_cache_purges_total",
} as const satisfies Partial<Record<keyof CacheCounts, string>>;

/** The cache's counts as series of its metrics. */
export function cacheSeriesIn(
  totals: Readonly<Record<string, number>>,
): (Series & { value: number })[] {
  return labelledCounts(totals).flatMap(({ labels, counts }) => [
    ...Object.entries(readsBySource(counts)).map(([tier, value]) => ({
      name: "luna_cache_reads_total",
      labels: { tier, ...labels },
      value,
    })),
    ...(Object.keys(errorKinds) as (keyof typeof errorKinds)[]).map((count) => ({
      name: "luna_cache_errors_total",
      labels: { kind: errorKinds[count], ...labels },
      value: counts[count],
    })),
    ...(Object.keys(plain) as (keyof typeof plain)[]).map((count) => ({
      name: plain[count],
      labels,
      value: counts[count],
    })),
  ]);
}

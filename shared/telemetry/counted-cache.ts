import {
  cacheOf,
  type Cache,
  type CacheEnv,
  type CacheRead,
  type ReadOptions,
} from "../lib/cache/index.ts";
import { countRejection } from "./counters.ts";
import { addSource, reportSoon, workerName, type TelemetryEnv } from "./isolate.ts";
import { cacheTotals } from "./rules/cache-counts.ts";

/** The library's cache, with its counts reported in the fleet's metrics. */

export type CountedCacheEnv = CacheEnv & TelemetryEnv;

/** The cache of this isolate. */
export function countedCache(env: CountedCacheEnv): Cache {
  return cacheOf(env, {
    onCounts: (_, byFamily) => addSource(env, () => cacheTotals(workerName(), byFamily())),
    onRejected: countRejection,
  });
}

/** Reads through the cache of this isolate and reports the counts afterwards. */
export async function readCounted<Value, Problem>(
  env: CountedCacheEnv,
  key: string,
  options: ReadOptions<Value, Problem>,
): Promise<CacheRead<Value, Problem>> {
  const read = await countedCache(env).read(key, options);
  reportSoon(env);
  return read;
}

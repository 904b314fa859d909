import {
  cacheOf as openCache,
  type Cache,
  type CacheEnv,
  type CacheRead,
  type ReadOptions,
} from "../lib/cache/index.ts";
import { countRejection } from "../telemetry/counters.ts";
import { addSource, reportSoon, type TelemetryEnv } from "../telemetry/isolate.ts";

/** The library's cache, with its counts reported in the fleet's metrics. */

export type CountedCacheEnv = CacheEnv & TelemetryEnv;

/** The cache of this isolate. */
export function cacheOf(env: CountedCacheEnv): Cache {
  return openCache(env, {
    onCounts: (totals) => addSource(env, totals),
    onRejected: countRejection,
  });
}

/** Reads through the cache of this isolate and reports the counts afterwards. */
export async function readCached<Value, Problem>(
  env: CountedCacheEnv,
  key: string,
  options: ReadOptions<Value, Problem>,
): Promise<CacheRead<Value, Problem>> {
  const read = await cacheOf(env).read(key, options);
  reportSoon(env);
  return read;
}

import { waitUntil } from "cloudflare:workers";
import { systemClock } from "../base/clock.ts";
import type { Result } from "../base/result.ts";
import { guard, type BreakerEnv } from "../circuit-breaker/index.ts";
import { describeError, log } from "../worker/log.ts";
import { getStub } from "../worker/placement.ts";
import { valueOrThrow, type Invalid } from "../worker/validate.ts";
import { configuredCacheSettings } from "./configured.ts";
import { kvTier } from "./isolate/kv.ts";
import { Memory } from "./isolate/memory.ts";
import { Cache } from "./isolate/read-through.ts";
import { countNames, CountsByFamily, sumOfCounts, type CacheCounts } from "./rules/counts.ts";
import { CACHE_BREAKER, isKvFault } from "./rules/faults.ts";
import type { CacheRead, ReadOptions } from "./rules/read.ts";
import type { CacheVariables } from "./rules/variables.ts";
import { TagIndexClient, type TagClientEvent } from "./tags/isolate/client.ts";
import { RequestRefused } from "./tags/isolate/request-refused.ts";
import type { CacheTagIndex } from "./tags/object/object.ts";
import { INDEX_NAME, type IndexReply, type PurgeReply } from "./tags/rules/rpc.ts";

/**
 * The bindings of a cache: a KV namespace, the tag index and the breakers. Its variables are
 * optional. Workers that bind the same three share one cache.
 */
export type CacheEnv = CacheVariables &
  BreakerEnv & { CACHE: KVNamespace; CACHE_TAG_INDEX: DurableObjectNamespace<CacheTagIndex> };

/** Hooks of a cache. A later call of `cacheOf` in the same isolate may add or replace them. */
export type CacheHooks = {
  /**
   * Called once, with functions that read the counts of the cache. They only grow. `byFamily`: the
   * same by family of keys, `""` for what has no key.
   */
  onCounts?: (
    totals: () => Record<string, number>,
    byFamily: () => ReadonlyMap<string, Readonly<CacheCounts>>,
  ) => void;
  /** Called for each call of KV that the breaker `cache` rejects. */
  onRejected?: (dependency: string) => void;
};

/**
 * Plain state of this isolate, which its requests share. It holds no I/O of any of them: stubs are
 * made where they are used. Keyed by the binding, so that each stand-in of a test gets its own
 * cache.
 */
const opened = new WeakMap<CacheEnv["CACHE_TAG_INDEX"], Opened>();
type Opened = { cache: Cache; counts: CountsByFamily; hooks: CacheHooks };

const KV_RETRIES = { baseMs: 100, maxMs: 400 };
/**
 * Retries of a read end soon after its first timeout. The origin's answer is better than another
 * try that takes as long.
 */
const RETRY_MARGIN_MS = 500;

/**
 * Reads through the cache: memory of this isolate, then KV, then `load`.
 *
 *     import { fail, ok, readCached, type CacheEnv } from "luna-backend/cache";
 *     import * as v from "valibot";
 *
 *     const price = v.strictObject({ sku: v.string(), cents: v.number() });
 *
 *     export default {
 *       async fetch(_request, env) {
 *         const read = await readCached(env, "price:tea", {
 *           schema: price,
 *           tags: ["prices"],
 *           load: async (signal) => {
 *             const response = await fetch("https://prices.example.com/tea", { signal });
 *             if (response.status === 404) return ok(null);
 *             if (!response.ok) return fail("down" as const);
 *             return ok(v.parse(price, await response.json()));
 *           },
 *         });
 *         if (!read.ok) return new Response(null, { status: 503 });
 *         return Response.json(read.value);
 *       },
 *     } satisfies ExportedHandler<CacheEnv>;
 *
 * - Never throws because of the cache, of `load` or of `fallback`. `error` is what `load` failed
 *   with, or a `CacheFailure`: `timed-out`, `overloaded`, or `threw` with what `load` has thrown.
 * - The value is frozen, and `null` where `load` found nothing.
 * - `stale-ok`, the default: a value is fresh for 5 minutes (`ttlMs`), may be served for one more
 *   minute while it is loaded again (`staleWhileRevalidateMs`), and for an hour if `load` fails
 *   (`staleIfErrorMs`). `null` is kept for 10 seconds (`negativeTtlMs`).
 * - Once a purge has returned, its isolate does not serve what was purged; others stop within 2
 *   seconds while the tag index answers. A load that was running during a purge never brings the
 *   old value back.
 * - Reads of one key that miss together share one load per isolate. A load ends after 10 seconds
 *   (`loadTimeoutMs`). At most 64 loads of one family of keys (`price:`) run at a time, so that an
 *   origin that hangs keeps no other family from its own.
 * - If KV fails, reads go on without it, behind the breaker `cache`.
 */
export async function readCached<Value, Problem>(
  env: CacheEnv,
  key: string,
  options: ReadOptions<Value, Problem>,
): Promise<CacheRead<Value, Problem>> {
  return await cacheOf(env).read(key, options);
}

/**
 * The cache of this isolate, to purge by tag, by key or by pattern (`price:*`):
 *
 *     import { cacheOf, type CacheEnv } from "luna-backend/cache";
 *
 *     export async function pricesChanged(env: CacheEnv): Promise<boolean> {
 *       const purged = await cacheOf(env).purge(["prices"]);
 *       if (!purged.ok) console.error(purged.error.tag, purged.error.error);
 *       return purged.ok;
 *     }
 *
 * After `unreachable`, purge again: the tag index did not answer. `refused`: the names are wrong.
 * `hard`, the default: what was purged is not served again. `soft`: it may be served while it is
 * loaded again. At most 1,000 names and 1.5 MB of JSON per purge. The settings are those of the
 * first call in an isolate.
 */
export function cacheOf(env: CacheEnv, given: CacheHooks = {}): Cache {
  const { cache, counts, hooks } = opened.get(env.CACHE_TAG_INDEX) ?? open(env);
  if (hooks.onCounts === undefined)
    given.onCounts?.(
      () => prefixed(sumOfCounts(counts.families.values())),
      () => counts.families,
    );
  Object.assign(hooks, given);
  return cache;
}

function open(env: CacheEnv): Opened {
  const hooks: CacheHooks = {};
  const settings = configuredCacheSettings(env);
  const counts = new CountsByFamily();
  const countsOf = (key: string): CacheCounts => counts.of(key);
  const ports = { clock: systemClock, random: Math.random, background: waitUntil };
  const { timeoutMs, retries } = settings;
  const kvGuard = guard(env, CACHE_BREAKER, {
    timeoutMs,
    calleeTimesOut: false,
    countsAsFailure: isKvFault,
    retries: { retries, ...KV_RETRIES, deadlineMs: timeoutMs + RETRY_MARGIN_MS },
    onRejected: (dependency) => hooks.onRejected?.(dependency),
  });
  const index = () => getStub(env.CACHE_TAG_INDEX, INDEX_NAME, env);
  const tags = new TagIndexClient({
    ...ports,
    boundMs: settings.stalenessMs,
    // The types of RPC turn tuples into arrays.
    object: {
      sync: async (request) =>
        valueOrThrow((await index().sync(request)) as Result<IndexReply, Invalid>, RequestRefused),
      purge: async (request) =>
        valueOrThrow((await index().purge(request)) as Result<PurgeReply, Invalid>, RequestRefused),
    },
    notify: (event) => onTagClientEvent(event, counts.of("")),
  });
  const kv = kvTier({ ...ports, kv: env.CACHE, guard: kvGuard, countsOf });
  const cache = new Cache({ ...ports, memory: new Memory(), kv, tags, countsOf, settings });
  const result = { cache, counts, hooks };
  opened.set(env.CACHE_TAG_INDEX, result);
  return result;
}

function onTagClientEvent(event: TagClientEvent, counts: CacheCounts): void {
  switch (event.event) {
    case "index_back":
      log("info", "cache_tags.index_back");
      return;
    case "sync_refused":
      log("error", "cache_tags.sync_refused", describeError(event.error));
      return;
    case "index_failed":
      counts.tagIndexErrors += 1;
      if (event.inARow === 1) log("warn", "cache_tags.index_lost", describeError(event.error));
      return;
    case "pending_purge_failed":
      counts.tagIndexErrors += 1;
      if (event.inARow === 1)
        log("warn", "cache_tags.pending_purge_failed", describeError(event.error));
  }
}

function prefixed(counts: CacheCounts): Record<string, number> {
  return Object.fromEntries(countNames.map((name) => [`cache.${name}`, counts[name]]));
}

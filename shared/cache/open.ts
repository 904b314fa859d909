import { objectNamed } from "../objects.ts";
import { waitUntil } from "cloudflare:workers";
import { TagIndexClient } from "../cache-tags/client.ts";
import { RequestRefused } from "../cache-tags/request-refused.ts";
import type { CacheTagIndex } from "../cache-tags/object.ts";
import { INDEX_NAME, type IndexReply, type Invalid, type PurgeReply } from "../cache-tags/rpc.ts";
import { guard, type BreakerEnv } from "../circuit-breaker/guard.ts";
import { systemClock } from "../clock.ts";
import { cacheSettings } from "../config.ts";
import { listFields } from "../http/problem.ts";
import type { Result } from "../result.ts";
import { addSource, reportSoon, type TelemetryEnv } from "../telemetry/isolate.ts";
import { describeError, log } from "../telemetry/log.ts";
import { noCounts, type CacheCounts } from "./counts.ts";
import { isKvFault } from "./faults.ts";
import { kvTier } from "./kv.ts";
import { Memory } from "./memory.ts";
import type { CacheRead, ReadOptions } from "./read.ts";
import { Cache } from "./read-through.ts";
import { defaultCacheSettings, type CacheSettings } from "./settings.ts";

/** What a cache needs: KV, the tag index, the breakers, and where to count. */
export type CacheEnv = BreakerEnv & TelemetryEnv & { CACHE: KVNamespace; CACHE_TAG_INDEX: DurableObjectNamespace<CacheTagIndex> };

/**
 * Plain state of this isolate, shared by its requests. It holds no I/O of any of them: stubs are made where they are used. Keyed by the
 * binding, so that a test's stand-in gets a cache of its own.
 */
const opened = new WeakMap<CacheEnv["CACHE_TAG_INDEX"], Cache>();

const KV_RETRIES = { baseMs: 100, maxMs: 400 };
/** Retries of a read end soon after its first timeout: another attempt that takes as long is worth less than the origin's answer. */
const RETRY_MARGIN_MS = 500;

/** The cache of this isolate. */
export function cacheOf(env: CacheEnv): Cache {
  return open(env);
}

/** Reads through the cache of this isolate, and sees to it that this is counted. */
export async function readCached<Value, Problem>(
  env: CacheEnv,
  key: string,
  options: ReadOptions<Value, Problem>,
): Promise<CacheRead<Value, Problem>> {
  const read = await open(env).read(key, options);
  reportSoon(env);
  return read;
}

function open(env: CacheEnv): Cache {
  const known = opened.get(env.CACHE_TAG_INDEX);
  if (known !== undefined) return known;
  const settings = configured(env);
  const counts = noCounts();
  const ports = { clock: systemClock, random: Math.random, background: waitUntil };
  const { timeoutMs, retries } = settings;
  const kvGuard = guard(
    env,
    "cache",
    { timeoutMs, calleeTimesOut: false, isFault: isKvFault },
    { retries, ...KV_RETRIES, deadlineMs: timeoutMs + RETRY_MARGIN_MS },
  );
  const index = () => objectNamed(env.CACHE_TAG_INDEX, INDEX_NAME, env);
  const tags = new TagIndexClient({
    ...ports,
    boundMs: settings.stalenessMs,
    // RPC's types lose tuples.
    object: {
      sync: async (request) => answered((await index().sync(request)) as Result<IndexReply, Invalid>),
      purge: async (request) => answered((await index().purge(request)) as Result<PurgeReply, Invalid>),
    },
    notify: (event) => {
      if (event.event === "index_failed") counts.tagIndexErrors += 1;
      if (event.event === "index_back") log("info", "cache_tags.index_back");
      else if (event.inARow === 1) log("warn", "cache_tags.index_lost", describeError(event.error));
    },
  });
  const kv = kvTier({ ...ports, kv: env.CACHE, guard: kvGuard, counts });
  const cache = new Cache({ ...ports, memory: new Memory(), kv, tags, counts, settings });
  addSource(env, () => named(counts));
  opened.set(env.CACHE_TAG_INDEX, cache);
  return cache;
}

/** A bad variable must not take the cache away: the log names it, and `npm start` refuses to begin. */
function configured(env: CacheEnv): CacheSettings {
  const settings = cacheSettings(env);
  if (settings.ok) return settings.value;
  log("error", "cache.misconfigured", { variable: settings.error.variable, problem: settings.error.message });
  return defaultCacheSettings;
}

function named(counts: CacheCounts): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [`cache.${name}`, count]));
}

function answered<Reply>(reply: Result<Reply, Invalid>): Reply {
  if (reply.ok) return reply.value;
  throw new RequestRefused(listFields(reply.error.errors));
}

import { cachified, type CacheEntry } from "@epic-web/cachified";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { Cacheable } from "cacheable";
import { LRUCache } from "lru-cache";
import * as v from "valibot";
import { TagIndexClient } from "../shared/cache-tags/client.ts";
import { noCounts } from "../shared/cache/counts.ts";
import { Memory } from "../shared/cache/memory.ts";
import { Cache } from "../shared/cache/read-through.ts";
import { systemClock } from "../shared/clock.ts";
import { ok } from "../shared/result.ts";
import { nsPerCall, table } from "./measure.ts";

/** A hit in memory, with none, one and five tags, beside the peers. */

const DAY_MS = 86_400_000;
const value = { userId: "ada", email: "ada@example.com", tier: "pro", scopes: ["emails:send"] };
const schema = v.object({ userId: v.string(), email: v.string(), tier: v.string(), scopes: v.array(v.string()) });
const tags = (count: number): string[] => Array.from({ length: count }, (_, n) => `tag:${n}`);

/** A cache whose view is fresh for the whole run, as between two syncs. */
async function luna(): Promise<Cache> {
  const reply = { meta: { generation: "g", seq: 1, floor: 0, softFloor: 0 }, since: null, purges: [], lookedUp: [] };
  const ports = { clock: systemClock, random: Math.random, background: (): void => undefined };
  const object = { sync: async () => reply, purge: async () => ({ ...reply, pending: 0 }) };
  const index = new TagIndexClient({ ...ports, object, boundMs: DAY_MS, notify: () => undefined });
  const kv = { read: async () => ({ kind: "missing" as const }), write: async () => true, delete: async () => true };
  return new Cache({ ...ports, tags: index, kv, memory: new Memory(), counts: noCounts(), settings: { ttlMs: DAY_MS, timeoutMs: 5_000 } });
}

async function lunaHit(count: number): Promise<() => Promise<unknown>> {
  const cache = await luna();
  const options = { schema, tags: tags(count), load: async () => ok(value) };
  await cache.read("user:ada", options);
  return () => cache.read("user:ada", options);
}

async function bentocacheHit(count: number): Promise<() => Promise<unknown>> {
  const store = bentostore().useL1Layer(memoryDriver({ maxSize: "10mb" }));
  const cache = new BentoCache({ default: "memory", stores: { memory: store } });
  const options = { key: "user:ada", factory: async () => value, ttl: DAY_MS, tags: tags(count) };
  await cache.getOrSet(options);
  return () => cache.getOrSet(options);
}

function cachifiedHit(): () => Promise<unknown> {
  const cache = new LRUCache<string, CacheEntry>({ max: 1_000 });
  const options = { key: "user:ada", cache, getFreshValue: async () => value, ttl: DAY_MS };
  return () => cachified(options);
}

async function cacheableHit(): Promise<() => Promise<unknown>> {
  const cache = new Cacheable();
  await cache.set("user:ada", value);
  return () => cache.get("user:ada");
}

export async function cacheHitRows(): Promise<string> {
  const map = new Map([["user:ada", value]]);
  const lru = new LRUCache<string, typeof value>({ max: 1_000 });
  lru.set("user:ada", value);
  const ways = {
    "async Map": async () => map.get("user:ada"),
    "async lru-cache": async () => lru.get("user:ada"),
    "luna, no tags": await lunaHit(0),
    "luna, 1 tag": await lunaHit(1),
    "luna, 5 tags": await lunaHit(5),
    cachified: cachifiedHit(),
    cacheable: await cacheableHit(),
    "bentocache, no tags": await bentocacheHit(0),
    "bentocache, 1 tag": await bentocacheHit(1),
    "bentocache, 5 tags": await bentocacheHit(5),
  };
  const ns = await nsPerCall(ways);
  const rows = (Object.keys(ways) as (keyof typeof ways)[]).map((name) => [
    name,
    `${ns[name].toFixed(0)} ns`,
    `${(ns[name] / ns["async Map"]).toFixed(2)}x`,
  ]);
  return table(["memory hit", "a hit", "of Map"], rows);
}

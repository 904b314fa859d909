import { cachified, type CacheEntry } from "@epic-web/cachified";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { Cacheable } from "cacheable";
import { LRUCache } from "lru-cache";
import { ok } from "../shared/lib/base/result.ts";
import { DAY_MS, lunaCache, schema, value } from "./cache-fixture.ts";
import { nsPerCall, ratios, type Ratio } from "./measure.ts";

/** A hit in memory, with none, one and five tags, beside the peers. */

const tags = (count: number): string[] => Array.from({ length: count }, (_, n) => `tag:${n}`);

async function lunaHit(count: number): Promise<() => Promise<unknown>> {
  const cache = await lunaCache();
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

/** @param where it runs */
export async function cacheHitRows(where: "Node" | "workerd"): Promise<Ratio[]> {
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
  return ratios(`memory hit, in ${where}`, "ns", "async Map", await nsPerCall(ways));
}

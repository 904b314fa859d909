import { cachified, type CacheEntry } from "@epic-web/cachified";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { Cacheable } from "cacheable";
import { LRUCache } from "lru-cache";
import { ok } from "../shared/lib/base/result.ts";
import { DAY_MS, lunaCache, schema, value } from "./cache-fixture.ts";
import { median, ratios, type Ratio } from "./measure.ts";

/**
 * A thousand reads at once of what nobody has yet: how often the origin is asked, and what the
 * waiting costs beyond the origin's time.
 */

const WAITERS = 1_000;
const ORIGIN_MS = 20;
const ROUNDS = 11;

type Load = () => Promise<typeof value>;
/** A cache that is empty; reads one key through it. */
type Way = (load: Load) => Promise<() => Promise<unknown>>;

const ways: Record<string, Way> = {
  "no cache": async (load) => load,
  "Map, unshared": async (load) => {
    const map = new Map<string, typeof value>();
    return async () => {
      const known = map.get("user:ada");
      if (known !== undefined) return known;
      const loaded = await load();
      map.set("user:ada", loaded);
      return loaded;
    };
  },
  luna: async (load) => {
    const cache = await lunaCache();
    const options = { schema, tags: ["tag:0"], load: async () => ok(await load()) };
    return () => cache.read("user:ada", options);
  },
  "lru-cache": async (load) => {
    const cache = new LRUCache<string, typeof value>({ max: 1_000, fetchMethod: load });
    return () => cache.fetch("user:ada");
  },
  cachified: async (load) => {
    const cache = new LRUCache<string, CacheEntry>({ max: 1_000 });
    return () => cachified({ key: "user:ada", cache, getFreshValue: load, ttl: DAY_MS });
  },
  cacheable: async (load) => {
    const cache = new Cacheable();
    return () => cache.getOrSet("user:ada", load);
  },
  bentocache: async (load) => {
    const store = bentostore().useL1Layer(memoryDriver({ maxSize: "10mb" }));
    const cache = new BentoCache({ default: "memory", stores: { memory: store } });
    return () => cache.getOrSet({ key: "user:ada", factory: load, ttl: DAY_MS, tags: ["tag:0"] });
  },
};

export async function stampedeRows(): Promise<Ratio[]> {
  const results: { name: string; loads: number[]; ms: number[] }[] = Object.keys(ways).map(
    (name) => ({ name, loads: [], ms: [] }),
  );
  for (let round = -2; round < ROUNDS; round += 1) {
    for (const result of results) {
      const { loads, ms } = await stampede(ways[result.name] as Way);
      if (round < 0) continue;
      result.loads.push(loads);
      result.ms.push(ms);
    }
  }
  const of = (measured: "loads" | "ms") =>
    Object.fromEntries(results.map((result) => [result.name, median(result[measured])]));
  const readers = WAITERS.toLocaleString("en");
  return [
    ...ratios(`${readers} readers at once: loads`, "loads", "no cache", of("loads")),
    ...ratios(
      `${readers} readers at once: until all have it, ${ORIGIN_MS} ms of it the origin's`,
      "ms",
      "no cache",
      of("ms"),
    ),
  ];
}

async function stampede(way: Way): Promise<{ loads: number; ms: number }> {
  let loads = 0;
  const read = await way(async () => {
    loads += 1;
    await new Promise((resolve) => setTimeout(resolve, ORIGIN_MS));
    return value;
  });
  const started = performance.now();
  await Promise.all(Array.from({ length: WAITERS }, read));
  return { loads, ms: performance.now() - started };
}

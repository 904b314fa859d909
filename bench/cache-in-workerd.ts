import { createTestHarness } from "wrangler";
import { median, ratios, type Ratio } from "./measure.ts";

const MEMBERS = [1, 1_000, 100_000];
const PURGES = 50;
const ROUNDS = 15;

/**
 * The same memory hits inside workerd, and a purge of a tag with one member beside some with more.
 */
export async function cacheInWorkerdRows(): Promise<Ratio[]> {
  const server = createTestHarness();
  const config = {
    name: "bench-cache",
    main: "./bench/workers/cache.ts",
    compatibility_date: "2026-11-01",
    compatibility_flags: ["nodejs_compat"],
    kv_namespaces: [{ binding: "CACHE", id: "bench" }],
    durable_objects: { bindings: [{ name: "CACHE_TAG_INDEX", class_name: "CacheTagIndex" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["CacheTagIndex"] }],
  };
  await server.update({ workers: [{ config }] });
  await server.listen();
  try {
    const ask = async (path: string): Promise<string> => await (await server.fetch(path)).text();
    const hits = JSON.parse(await ask("/hits")) as Ratio[];
    const us = new Map(MEMBERS.map((members) => [members, [] as number[]]));
    for (const members of MEMBERS) await ask(`/fill?tag=of-${members}&count=${members}`);
    for (let round = -2; round < ROUNDS; round += 1) {
      for (const [members, all] of us) {
        const each = Number(await ask(`/purge?tag=of-${members}&count=${PURGES}`));
        if (round >= 0) all.push(each);
      }
    }
    const purges = [...us].map(([members, all]) => [
      members === 1 ? "one member" : `${members.toLocaleString("en")} members`,
      median(all),
    ]);
    return [
      ...hits,
      ...ratios(
        "purge of a tag",
        "us",
        "one member",
        Object.fromEntries(purges) as Record<string, number>,
      ),
    ];
  } finally {
    await server.close();
  }
}

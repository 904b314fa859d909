import { createTestHarness } from "wrangler";
import { table } from "./measure.ts";

const MEMBERS = [1, 1_000, 100_000];
const PURGES = 50;
const ROUNDS = 15;

/** The same memory hits inside workerd, and a purge of a tag with one member beside some with more. */
export async function cacheInWorkerdRows(): Promise<string> {
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
    const hits = await ask("/hits");
    const us = new Map(MEMBERS.map((members) => [members, [] as number[]]));
    for (const members of MEMBERS) await ask(`/fill?tag=of-${members}&count=${members}`);
    for (let round = -2; round < ROUNDS; round += 1) {
      for (const [members, all] of us) {
        const each = Number(await ask(`/purge?tag=of-${members}&count=${PURGES}`));
        if (round >= 0) all.push(each);
      }
    }
    const median = (members: number): number => us.get(members)?.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
    const purges = table(
      ["purge of a tag", "a purge", "of one"],
      MEMBERS.map((members) => [
        members === 1 ? "with one member" : `with ${members.toLocaleString("en")} members`,
        `${median(members).toFixed(0)} us`,
        `${(median(members) / median(1)).toFixed(2)}x`,
      ]),
    );
    return `${hits}\n\n${purges}`;
  } finally {
    await server.close();
  }
}

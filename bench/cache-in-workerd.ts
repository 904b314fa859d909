import { createTestHarness } from "wrangler";
import { table } from "./measure.ts";

const MEMBERS = 100_000;
const PURGES = 50;
const ROUNDS = 15;

/** The same memory hits inside workerd, and a purge of a tag with one member beside one with 100,000. */
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
    await ask("/fill?tag=small&count=1");
    await ask(`/fill?tag=large&count=${MEMBERS}`);
    const us: Record<string, number[]> = { small: [], large: [] };
    for (let round = -2; round < ROUNDS; round += 1) {
      for (const tag of ["small", "large"]) {
        const each = Number(await ask(`/purge?tag=${tag}&count=${PURGES}`));
        if (round >= 0) us[tag]?.push(each);
      }
    }
    const median = (tag: string): number => us[tag]?.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
    const purges = table(
      ["purge of a tag", "a purge", "of one"],
      [
        ["with one member", `${median("small").toFixed(0)} us`, "1.00x"],
        [
          `with ${MEMBERS.toLocaleString("en")} members`,
          `${median("large").toFixed(0)} us`,
          `${(median("large") / median("small")).toFixed(2)}x`,
        ],
      ],
    );
    return `${hits}\n\n${purges}`;
  } finally {
    await server.close();
  }
}

import { createTestHarness } from "wrangler";
import { median, ratios, type Ratio } from "./measure.ts";

const WAITING = [0, 1_000, 100_000, 1_000_000];
/** With an entry in KV under each purged tag. */
const STORED = 100_000;

const WITH_ENTRIES = `${STORED.toLocaleString("en")} waiting, each with an entry in KV`;

type Measured = {
  syncs: number[];
  ms: number;
  blocks: number[];
  before: number;
  after: number;
};

const most = (all: number[]): number =>
  all.toSorted((one, other) => one - other)[Math.floor(all.length * 0.99)] ?? 0;

/** What a sync waits for while purged tags wait to be reclaimed, and how fast they are. */
export async function tagIndexRows(): Promise<Ratio[]> {
  const server = createTestHarness();
  const config = {
    name: "bench-tag-index",
    main: "./bench/workers/tag-index.ts",
    compatibility_date: "2026-11-01",
    compatibility_flags: ["nodejs_compat"],
    durable_objects: { bindings: [{ name: "CACHE_TAG_INDEX", class_name: "MeasuredTagIndex" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["MeasuredTagIndex"] }],
  };
  await server.update({ workers: [{ config }] });
  await server.listen();
  try {
    const all: [string, Measured][] = [];
    for (const waiting of WAITING) {
      const answer = await (await server.fetch(`/?waiting=${waiting}`)).text();
      all.push([`${waiting.toLocaleString("en")} waiting`, JSON.parse(answer) as Measured]);
    }
    const stored = await (await server.fetch(`/?waiting=${STORED}&stored`)).text();
    all.push([WITH_ENTRIES, JSON.parse(stored) as Measured]);
    const rows = (what: string, unit: string, of: (one: Measured) => number): Ratio[] =>
      ratios(
        what,
        unit,
        "0 waiting",
        Object.fromEntries(all.map(([way, one]) => [way, of(one)])) as Record<string, number>,
      );
    const reclaimed = all
      .filter(([, { before }]) => before > 0)
      .map(([way, { before, after, ms }]) => [way, (before - after) / (ms / 1_000)] as const);
    return [
      ...rows("sync beside reclaiming: median", "ms", ({ syncs }) => median(syncs)),
      ...rows("sync beside reclaiming: 99 of 100 within", "ms", ({ syncs }) => most(syncs)),
      ...rows("the index does one thing: median", "ms", ({ blocks }) => median(blocks)),
      ...rows("the index does one thing: 99 of 100 within", "ms", ({ blocks }) => most(blocks)),
      ...rows("the index does one thing: longest", "ms", ({ blocks }) => Math.max(...blocks)),
      ...ratios(
        "purged tags reclaimed",
        "per second",
        "1,000 waiting",
        Object.fromEntries(reclaimed) as Record<string, number>,
      ),
    ];
  } finally {
    await server.close();
  }
}

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CacheTagIndex } from "../../shared/lib/cache/tags/object/object.ts";
import type { Stored } from "../../shared/lib/cache/tags/rules/rpc.ts";

/** How the tag index gets rid of what it no longer needs, under load. Real object and storage. */

const far = Date.now() + 86_400_000;
const entry = (key: string, tags: string[] = [], seq = 0): Stored => ({
  key,
  tags,
  seq,
  expiresAt: far,
});

let next = 0;
let index: DurableObjectStub<CacheTagIndex>;
beforeEach(() => {
  index = env.CACHE_TAG_INDEX.getByName(`clean-up-${(next += 1)}`);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** KV whose deletions a test decides. */
const useKv = async (deletion: (key: string) => Promise<void>): Promise<string[]> => {
  const deleted: string[] = [];
  vi.spyOn(env.CACHE, "delete").mockImplementation(async (key) => {
    await deletion(key);
    deleted.push(key);
  });
  await runInDurableObject(index, (object) => {
    (object as unknown as { env: { CACHE: KVNamespace } }).env = { CACHE: env.CACHE };
  });
  return deleted;
};
const rows = async (table: string): Promise<number> =>
  await runInDurableObject(index, (_, { storage }) =>
    Number(storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one()["n"]),
  );
const run = async (sql: string, ...bindings: unknown[]): Promise<void> =>
  await runInDurableObject(index, (_, { storage }) => {
    storage.sql.exec(sql, ...(bindings as []));
  });
const numbers = (count: number): string =>
  `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
/** In how many milliseconds the alarm runs; null: it does not. */
const ringsIn = async (): Promise<number | null> =>
  await runInDurableObject(index, async (_, { storage }) => {
    const at = await storage.getAlarm();
    return at === null ? null : at - Date.now();
  });

/** Runs something in the object. @returns the rows that its statements read */
const rowsRead = async (work: (object: CacheTagIndex) => Promise<unknown>): Promise<number> =>
  await runInDurableObject(index, async (object, { storage }) => {
    const { exec } = storage.sql;
    let read = 0;
    const cursors: { rowsRead: number }[] = [];
    storage.sql.exec = ((sql: string, ...bindings: unknown[]) => {
      const cursor = exec.apply(storage.sql, [sql, ...(bindings as [])]);
      cursors.push(cursor);
      return cursor;
    }) as typeof exec;
    await work(object);
    storage.sql.exec = exec;
    for (const cursor of cursors) read += cursor.rowsRead;
    return read;
  });

describe("a name that is not well-formed, which an earlier release took,", () => {
  const bad = "cat \ud83c";

  beforeEach(async () => {
    await index.sync({
      since: null,
      stored: [entry("good", ["dogs"]), entry("other", ["birds"])],
    });
    await index.purge({ since: null, tags: ["first"], mode: "hard" });
    await run(
      `INSERT INTO reclaims (tag, seq, after) SELECT value, 1, '' FROM json_each(?)`,
      JSON.stringify([bad]),
    );
    await run(
      `INSERT INTO tags (tag, hard_seq, soft_seq, seq, purged_at)
       SELECT value, 1, 0, 1, 0 FROM json_each(?)`,
      JSON.stringify([bad]),
    );
    await run(
      `INSERT INTO entries (key, seq, expires_at, tags)
       SELECT value, 0, 0, ?1 FROM json_each(?1)`,
      JSON.stringify([bad]),
    );
    await run(
      "INSERT INTO members (tag, key) SELECT value, value FROM json_each(?)",
      JSON.stringify([bad]),
    );
  });

  it("leaves the index, stops no purge beside it, and the alarm does not repeat", async () => {
    const deleted = await useKv(async () => undefined);
    await index.purge({ since: null, tags: ["dogs"], mode: "hard" });
    for (let ring = 0; ring < 3; ring += 1) await runDurableObjectAlarm(index);
    expect(deleted).toEqual(["good"]);
    expect([await rows("reclaims"), await rows("entries"), await rows("members")]).toEqual([
      0, 1, 1,
    ]);
    expect(await rows("tags")).toBe(1);
    expect(await ringsIn()).toBeGreaterThan(60_000);
  });
});

describe("reclaiming", () => {
  it("reads as many rows per tag when a million wait as when 1,000 do, and so does a sync", async () => {
    const measured: { perTag: number; perSync: number }[] = [];
    for (const waiting of [1_000, 100_000, 1_000_000]) {
      index = env.CACHE_TAG_INDEX.getByName(`rows-${waiting}`);
      await index.sync({ since: null });
      await run(
        `INSERT INTO reclaims (tag, seq, after) ${numbers(waiting)} SELECT 't:' || i, i, '' FROM n`,
      );
      const perSync = await rowsRead((object) =>
        object.sync({ since: null, lookUp: ["a"], stored: [entry("a", ["b"])] }),
      );
      const read = await rowsRead(async (object) => {
        // Each look at the clock takes a while, so that the alarm ends after some pages.
        let now = Date.now();
        object.clock = () => (now += 100);
        await object.alarm();
      });
      measured.push({ perTag: read / (waiting - (await rows("reclaims"))), perSync });
    }
    const [small, ...large] = measured;
    for (const { perTag, perSync } of large) {
      expect(perTag).toBeLessThan(10);
      expect(perTag).toBeLessThan(2 * (small?.perTag ?? 0));
      expect(perSync).toBe(small?.perSync);
    }
  });

  it("deletes six keys of KV at a time, also when each is under a tag of its own", async () => {
    const keys = Array.from({ length: 120 }, (_, n) => `user:${n}`);
    await index.sync({ since: null, stored: keys.map((key) => entry(key)) });
    let [open, most] = [0, 0];
    const deleted = await useKv(async () => {
      open += 1;
      most = Math.max(most, open);
      await scheduler.wait(1);
      open -= 1;
    });
    await index.purge({ since: null, tags: keys, mode: "hard" });
    await runDurableObjectAlarm(index);
    expect(deleted.toSorted()).toEqual(keys.toSorted());
    expect(most).toBe(6);
    expect([await rows("reclaims"), await rows("entries")]).toEqual([0, 0]);
  });

  it("rests while KV deletes nothing, and the index goes on forgetting what has expired", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    await index.sync({ since: null, stored: [entry("user:1"), entry("user:2")] });
    await useKv(async () => {
      throw new Error("KV DELETE failed: 500 Internal Server Error");
    });
    await index.purge({ since: null, tags: ["user:1", "user:2"], mode: "hard" });
    await runDurableObjectAlarm(index);
    expect(await rows("reclaims")).toBe(2);
    expect(await ringsIn()).toBeGreaterThan(1_000);
    await run(
      `INSERT INTO entries (key, seq, expires_at, tags) ${numbers(3_000)}
       SELECT 'old:' || i, 0, 0, '[]' FROM n`,
    );
    await runInDurableObject(index, async (object) => await object.alarm());
    expect([await rows("entries"), await rows("reclaims")]).toEqual([2, 2]);
    expect(await ringsIn()).toBeGreaterThan(1_000);
  });
});

describe("the clean-up", () => {
  it("forgets all that has expired in one alarm, however slowly KV deletes beside it", async () => {
    await index.sync({ since: null, stored: [entry("kept")] });
    await run(
      `INSERT INTO entries (key, seq, expires_at, tags) ${numbers(20_000)}
       SELECT 'old:' || i, 0, 0, '["t"]' FROM n`,
    );
    await run(`INSERT INTO members (tag, key) SELECT 't', key FROM entries WHERE key <> 'kept'`);
    await run(
      `INSERT INTO tags (tag, hard_seq, soft_seq, seq, purged_at) ${numbers(5_000)}
       SELECT 't:' || i, i, 0, i, 0 FROM n`,
    );
    await run("UPDATE meta SET seq = 5000");
    await runInDurableObject(index, async (object) => await object.alarm());
    expect([await rows("entries"), await rows("members"), await rows("tags")]).toEqual([1, 0, 0]);
  });
});

describe("an index that nears the size of an object", () => {
  const HOUR = 3_600_000;
  const fill = async (tags: { from: number; to: number; hoursAgo: number }[]): Promise<void> => {
    await index.sync({ since: null });
    for (const { from, to, hoursAgo } of tags)
      await run(
        `INSERT INTO tags (tag, hard_seq, soft_seq, seq, purged_at) ${numbers(to)}
         SELECT 'a tag of a usual length:' || i, i, 0, i, ? FROM n WHERE i > ?`,
        Date.now() - hoursAgo * HOUR,
        from,
      );
    await run("UPDATE meta SET seq = 20000");
    await evictDurableObject(index);
  };
  const cleanUp = async (maxBytes: number): Promise<number> =>
    await runInDurableObject(index, async (object, { storage }) => {
      object.maxBytes = maxBytes;
      await object.alarm();
      return storage.sql.databaseSize;
    });
  const floor = async (): Promise<number> => {
    const reply = await index.sync({ since: null });
    return reply.ok ? reply.value.meta.floor : Number.NaN;
  };

  it("first forgets tags that were purged before every present entry was loaded", async () => {
    await fill([
      { from: 0, to: 15_000, hoursAgo: 25 },
      { from: 15_000, to: 20_000, hoursAgo: 1 },
    ]);
    await index.sync({ since: null, stored: [entry("user:1", ["t"], 15_000)] });
    expect(await cleanUp(1_500_000)).toBeLessThanOrEqual(1_500_000);
    expect(await floor()).toBeGreaterThan(5_000);
    expect(await floor()).toBeLessThanOrEqual(15_000);
    expect(await rows("entries")).toBe(1);
  });

  it("then what it has about KV, and last the oldest purges, and takes purges all along", async () => {
    await fill([{ from: 0, to: 20_000, hoursAgo: 1 }]);
    await run(
      `INSERT INTO entries (key, seq, expires_at, tags) ${numbers(5_000)}
       SELECT 'k:' || i, 20000, ?, '[]' FROM n`,
      far,
    );
    await run(`INSERT INTO reclaims (tag, seq, after) SELECT tag, seq, '' FROM tags`);
    expect(await cleanUp(3_200_000)).toBeLessThanOrEqual(3_200_000);
    expect([await rows("tags"), await floor()]).toEqual([20_000, 0]);
    expect(await cleanUp(1_000_000)).toBeLessThanOrEqual(1_000_000);
    expect([await rows("entries"), await rows("reclaims")]).toEqual([0, 0]);
    expect(await rows("tags")).toBe(20_000 - (await floor()));
    expect(await rows("tags")).toBeGreaterThan(1_000);
    await index.purge({ since: null, tags: ["new"], mode: "soft" });
    expect(await rows("tags WHERE tag = 'new'")).toBe(1);
  });

  it("cleans up at once, not within the hour", async () => {
    await index.sync({ since: null, stored: [entry("a")] });
    expect(await ringsIn()).toBeGreaterThan(HOUR / 2);
    await runInDurableObject(index, (object) => {
      object.maxBytes = 1;
    });
    await index.purge({ since: null, tags: ["a"], mode: "soft" });
    expect((await ringsIn()) ?? 0).toBeLessThan(60_000);
  });
});

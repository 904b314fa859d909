import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Result } from "../../shared/lib/base/result.ts";
import type { CacheTagIndex } from "../../shared/lib/cache/tags/object/object.ts";
import { keysUnder as listKeys } from "../../shared/lib/cache/tags/object/stored-entries.ts";
import { deleteOldTags } from "../../shared/lib/cache/tags/object/stored-tags.ts";
import type {
  IndexReply,
  InspectRequest,
  PurgeReply,
  PurgeRequest,
  Stored,
  TagSyncRequest,
  TagInspection,
} from "../../shared/lib/cache/tags/rules/rpc.ts";

/** The real object in workerd, with its storage and alarms, and the real KV. */

let next = 0;
let index: DurableObjectStub<CacheTagIndex>;
beforeEach(() => {
  index = env.CACHE_TAG_INDEX.getByName(`index-${(next += 1)}`);
});

const value = <Value>(reply: Result<Value, unknown>): Value =>
  reply.ok ? reply.value : expect.fail(JSON.stringify(reply));
const sync = async (request: TagSyncRequest): Promise<IndexReply> =>
  value((await index.sync(request)) as Result<IndexReply, unknown>);
const purge = async (
  tags: PurgeRequest["tags"],
  mode: "hard" | "soft" = "hard",
  since: PurgeRequest["since"] = null,
): Promise<PurgeReply> =>
  value((await index.purge({ tags, mode, since })) as Result<PurgeReply, unknown>);
const inspect = async (request: InspectRequest): Promise<TagInspection> =>
  value((await index.inspect(request)) as Result<TagInspection, unknown>);
/** A sequence of this index. */
const seen = async (seq: number) => ({
  generation: (await sync({ since: null })).meta.generation,
  seq,
});
const far = Date.now() + 86_400_000;
const entry = (key: string, tags: string[] = [], seq = 0): Stored => ({
  key,
  tags,
  seq,
  expiresAt: far,
});
const keysUnder = async (tag: string): Promise<string[]> =>
  (await inspect({ tag })).members.map(({ key }) => key);

/** Runs the alarm until nothing is left for it to do at once. */
async function untilReclaimed(): Promise<number> {
  for (let runs = 1; ; runs += 1) {
    await runDurableObjectAlarm(index);
    const left = await runInDurableObject(
      index,
      (_, { storage }) => storage.sql.exec("SELECT * FROM reclaims").toArray().length,
    );
    if (left === 0) return runs;
  }
}

describe("the tag index", () => {
  it("sends a purge with its tags to a client that is behind, also after eviction", async () => {
    const cold = await sync({ since: null });
    expect(cold).toMatchObject({
      meta: { seq: 0, floor: 0, softFloor: 0 },
      since: null,
      purges: [],
    });
    await purge(["user:1", "email:a"]);
    await evictDurableObject(index);
    const soft = await purge(["user:2"], "soft");
    expect(soft.meta.generation).toBe(cold.meta.generation);
    expect(await sync({ since: await seen(0) })).toMatchObject({
      meta: { seq: 2 },
      purges: [
        ["email:a", { hard: 1, soft: 0 }],
        ["user:1", { hard: 1, soft: 0 }],
        ["user:2", { hard: 0, soft: 2 }],
      ],
    });
    expect((await sync({ since: await seen(1) })).purges).toEqual([
      ["user:2", { hard: 0, soft: 2 }],
    ]);
    expect((await sync({ since: await seen(2) })).purges).toEqual([]);
  });

  it("answers a purge with a sync, so that the purging isolate applies it at once", async () => {
    await purge(["user:1"]);
    expect(await purge(["user:2"], "hard", await seen(0))).toMatchObject({
      since: 0,
      meta: { seq: 2 },
      purges: [
        ["user:1", {}],
        ["user:2", {}],
      ],
    });
  });

  it("never undoes a hard purge by a soft one", async () => {
    await purge(["user:1"]);
    await purge(["user:1"], "soft");
    expect((await sync({ since: null, lookUp: ["user:1", "user:2"] })).lookedUp).toEqual([
      ["user:1", { hard: 1, soft: 2 }],
      ["user:2", { hard: 0, soft: 0 }],
    ]);
    expect(await purge("everything", "soft")).toMatchObject({ meta: { floor: 0, softFloor: 3 } });
    expect(await purge("everything")).toMatchObject({ meta: { floor: 4, softFloor: 3 } });
  });

  it("answers a client that is too far behind or ahead as a new client", async () => {
    for (let n = 0; n < 6; n += 1)
      await purge(Array.from({ length: 1_000 }, (_, tag) => `${n}:${tag}`));
    expect(await sync({ since: await seen(0) })).toMatchObject({
      since: null,
      purges: [],
      meta: { seq: 6 },
    });
    expect((await sync({ since: await seen(2) })).purges).toHaveLength(4_000);
    expect((await sync({ since: await seen(99) })).since).toBeNull();
    // Sequences of different indexes are not comparable.
    expect(await sync({ since: { generation: "another", seq: 5 } })).toMatchObject({
      since: null,
      purges: [],
    });
  });

  it("refuses a bad request by the name of its field, and changes nothing", async () => {
    const bad: [PurgeRequest, string][] = [
      [{ tags: [], mode: "hard", since: null }, "tags"],
      [{ tags: ["x".repeat(1_025)], mode: "hard", since: null }, "tags"],
      [{ tags: Array.from({ length: 1_001 }, String), mode: "hard", since: null }, "tags"],
      [{ tags: ["a"], mode: "harder" as "hard", since: null }, "mode"],
      [{ tags: ["a"], mode: "hard", since: { generation: "g", seq: -1 } }, "since"],
      [{ tags: ["a", "*"], mode: "hard", since: null }, "tags"],
      [{ tags: ["a", "cat \ud83c"], mode: "hard", since: null }, "tags.1"],
      [{ tags: ["\udc31 cat"], mode: "soft", since: null }, "tags.0"],
      [
        {
          tags: Array.from({ length: 600 }, (_, n) => `${n}`.padEnd(1_000, "猫")),
          mode: "hard",
          since: null,
        },
        "tags",
      ],
    ];
    for (const [request, field] of bad) {
      const refused = await index.purge(request);
      expect(refused).toMatchObject({ ok: false, error: { tag: "invalid" } });
      expect(JSON.stringify(refused)).toContain(`"path":"${field}`);
    }
    expect(await sync({ since: null })).toMatchObject({ meta: { seq: 0 } });
    for (const asked of [{ tag: "cat \ud83c" }, { tag: "cat", after: "\ud83c" }])
      expect(await index.inspect(asked)).toMatchObject({ ok: false, error: { tag: "invalid" } });
  });
});

describe("a sync with an item that the index cannot hold", () => {
  const bad = ["", "*", "cat \ud83c", "x".repeat(1_025)];

  it("counts for all that is beside it", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    await purge(["a"]);
    const reply = await sync({
      since: null,
      lookUp: [...bad, "a"],
      stored: [...bad.map((tag, n) => entry(`bad:${n}`, ["t", tag])), entry("good", ["t"])],
    });
    expect(reply.lookedUp).toEqual([["a", { hard: 1, soft: 0 }]]);
    expect(await keysUnder("t")).toEqual(["good"]);
    vi.restoreAllMocks();
  });

  it("is bound in parts that SQLite takes as one value", async () => {
    const long = (n: number): string => `${n}`.padEnd(1_000, "猫");
    const longTags = Array.from({ length: 1_000 }, (_, n) => long(n));
    const bound = await runInDurableObject(index, async (object, { storage }) => {
      const { exec } = storage.sql;
      let most = 0;
      storage.sql.exec = ((sql: string, ...bindings: unknown[]) => {
        for (const given of bindings) most = Math.max(most, Buffer.byteLength(String(given)));
        return exec.apply(storage.sql, [sql, ...(bindings as [])]);
      }) as typeof exec;
      await object.sync({
        since: null,
        lookUp: longTags,
        stored: Array.from({ length: 20 }, (_, n) => entry(`k:${n}`, longTags.slice(0, 100))),
      });
      storage.sql.exec = exec;
      return most;
    });
    expect(bound).toBeGreaterThan(100_000);
    expect(bound).toBeLessThanOrEqual(1_500_000);
    expect(await keysUnder(long(99))).toHaveLength(20);
  });
});

describe("a purge", () => {
  /** What the object wrote and read for one purge. */
  const cost = async (tags: string[]): Promise<{ written: number; read: number }> =>
    await runInDurableObject(index, async (object, { storage }) => {
      const { exec } = storage.sql;
      let [written, read] = [0, 0];
      const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
      storage.sql.exec = ((sql: string, ...bindings: unknown[]) => {
        const cursor = exec.apply(storage.sql, [sql, ...(bindings as [])]);
        cursors.push(cursor);
        return cursor;
      }) as typeof exec;
      await object.purge({ tags, mode: "hard", since: null });
      storage.sql.exec = exec;
      for (const cursor of cursors)
        [written, read] = [written + cursor.rowsWritten, read + cursor.rowsRead];
      return { written, read };
    });

  it("writes as much for 100,000 members as for one, and reads a bounded count", async () => {
    await sync({ since: null, stored: [entry("one", ["small"])] });
    await runInDurableObject(index, (_, { storage }) => {
      storage.sql.exec(
        `INSERT INTO entries (key, seq, expires_at, tags)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         SELECT 'k:' || i, 0, ?, '["large"]' FROM n`,
        far,
      );
      storage.sql.exec(
        "INSERT INTO members (tag, key) SELECT 'large', key FROM entries WHERE key LIKE 'k:%'",
      );
    });
    const [small, large] = [await cost(["small"]), await cost(["large"])];
    expect(large.written).toBe(small.written);
    expect(large.written).toBeLessThanOrEqual(5);
    expect(large.read).toBeLessThan(500);
    expect(await purge(["large"])).toMatchObject({ pending: 100 });
  });

  it("of 500 tags works, and writes in proportion to them", async () => {
    await sync({ since: null });
    const one = await cost(["a"]);
    const many = await cost(Array.from({ length: 500 }, (_, n) => `tag:${n}`));
    expect(many.written).toBeLessThanOrEqual(500 * one.written);
    expect((await sync({ since: await seen(1) })).purges).toHaveLength(500);
  });
});

describe("what is stored", () => {
  it("is listed under its tags, its key and its patterns, a page at a time", async () => {
    await sync({
      since: null,
      stored: [
        entry("user:1", ["team:a"]),
        entry("user:1:usage", ["user:1"]),
        entry("user:10:usage", ["user:10"]),
        entry("email:a", ["user:1"]),
      ],
    });
    expect(await keysUnder("user:1")).toEqual(["email:a", "user:1", "user:1:usage"]);
    expect(await keysUnder("user:1:*")).toEqual(["user:1:usage"]);
    expect(await keysUnder("user:*")).toEqual(["user:1", "user:10:usage", "user:1:usage"]);
    expect(await keysUnder("team:a")).toEqual(["user:1"]);
    expect(await keysUnder("no-such")).toEqual([]);
    expect((await inspect({ tag: "user:1", limit: 1, after: "email:a" })).members).toMatchObject([
      { key: "user:1", seq: 0, purged: false },
    ]);
  });

  it("is distinguished from what was purged since, by tag or altogether, and when", async () => {
    const before = Date.now();
    await sync({ since: null, stored: [entry("user:1")] });
    expect(await inspect({ tag: "user:1" })).toMatchObject({
      hardSeq: 0,
      softSeq: 0,
      purgedAt: null,
      members: [{ purged: false }],
    });
    await purge(["user:1"], "soft");
    const soft = await inspect({ tag: "user:1" });
    expect(soft).toMatchObject({ hardSeq: 0, softSeq: 1, members: [{ purged: false }] });
    expect(soft.purgedAt).toBeGreaterThanOrEqual(before);
    await purge("everything");
    expect(await inspect({ tag: "user:1" })).toMatchObject({ hardSeq: 2, softSeq: 1 });
    expect(await inspect({ tag: "*" })).toMatchObject({ hardSeq: 2, softSeq: 0, purgedAt: null });
  });

  it("is listed at the cost of the page, however much there is", async () => {
    await sync({ since: null });
    const read = await runInDurableObject(index, (_, { storage }) => {
      storage.sql.exec(
        `INSERT INTO entries (key, seq, expires_at, tags)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         SELECT 'k:' || i, 0, ?, '["large"]' FROM n`,
        far,
      );
      storage.sql.exec("INSERT INTO members (tag, key) SELECT 'large', key FROM entries");
      return ["large", "k:*", "*"].map((tag) => {
        const { exec } = storage.sql;
        const cursors: { rowsRead: number }[] = [];
        storage.sql.exec = ((sql: string, ...bindings: unknown[]) => {
          const cursor = exec.apply(storage.sql, [sql, ...(bindings as [])]);
          cursors.push(cursor);
          return cursor;
        }) as typeof exec;
        const page = listKeys(storage.sql, tag, "k:1", 20);
        storage.sql.exec = exec;
        return {
          keys: page.length,
          rows: cursors.reduce((sum, { rowsRead }) => sum + rowsRead, 0),
        };
      });
    });
    for (const { keys, rows } of read) {
      expect(keys).toBe(20);
      expect(rows).toBeLessThan(100);
    }
  });

  it("reported twice in one report counts as reported last, and leaves nothing behind", async () => {
    await sync({
      since: null,
      stored: [entry("email:a", ["user:1"]), entry("email:a", ["user:2"])],
    });
    expect([await keysUnder("user:1"), await keysUnder("user:2")]).toEqual([[], ["email:a"]]);
  });

  it("changes its tags from one write to the next", async () => {
    await sync({ since: null, stored: [entry("email:a", ["user:1", "both"])] });
    await sync({ since: null, stored: [entry("email:a", ["user:2", "both"], 0)] });
    expect([await keysUnder("user:1"), await keysUnder("user:2"), await keysUnder("both")]).toEqual(
      [[], ["email:a"], ["email:a"]],
    );
  });

  it("is not undone by an older report that comes later", async () => {
    await purge(["x"]);
    await sync({ since: null, stored: [entry("email:a", ["user:2"], 1)] });
    await sync({ since: null, stored: [entry("email:a", ["user:1"], 0)] });
    expect([await keysUnder("user:1"), await keysUnder("user:2")]).toEqual([[], ["email:a"]]);
  });
});

describe("space in KV", () => {
  const put = async (key: string, tags: string[]): Promise<void> => {
    await env.CACHE.put(key, "entry");
    await sync({ since: null, stored: [entry(key, tags)] });
  };

  it("of what was purged is reclaimed afterwards, and nothing else", async () => {
    await put("user:1", []);
    await put("email:a", ["user:1"]);
    await put("user:2", []);
    expect(await purge(["user:1"])).toMatchObject({ pending: 2 });
    await sync({ since: null, stored: [entry("user:1", [], 1)] });
    await untilReclaimed();
    expect([await env.CACHE.get("email:a"), await env.CACHE.get("user:2")]).toEqual([
      null,
      "entry",
    ]);
    // It was stored again meanwhile.
    expect(await env.CACHE.get("user:1")).toBe("entry");
    expect(await keysUnder("user:1")).toEqual(["user:1"]);
  });

  it("is reclaimed by pattern, by key and altogether", async () => {
    await put("user:1:usage", []);
    await put("user:10", []);
    await purge(["user:1:*"]);
    await untilReclaimed();
    expect([await env.CACHE.get("user:1:usage"), await env.CACHE.get("user:10")]).toEqual([
      null,
      "entry",
    ]);
    expect(await purge("everything")).toMatchObject({ pending: 1 });
    await untilReclaimed();
    expect(await env.CACHE.get("user:10")).toBeNull();
  });

  it("is reclaimed in parts, also if the object is evicted and KV fails in between", async () => {
    const stored = Array.from({ length: 500 }, (_, n) => n);
    for (let batch = 0; batch < 3; batch += 1)
      await sync({ since: null, stored: stored.map((n) => entry(`${batch}:${n}`, ["large"])) });
    await Promise.all(stored.map((n) => env.CACHE.put(`2:${n}`, "entry")));
    await purge(["large"]);
    const warned = vi.spyOn(console, "warn").mockReturnValue();
    let failures = 20;
    const spy = vi.spyOn(env.CACHE, "delete").mockImplementation(async () => {
      if ((failures -= 1) > 0) throw new Error("KV DELETE failed: 500 Internal Server Error");
    });
    await runInDurableObject(index, async (object) => {
      (object as unknown as { env: { CACHE: KVNamespace } }).env = { CACHE: env.CACHE };
      await object.alarm();
    });
    spy.mockRestore();
    expect(warned.mock.calls.join()).toContain("cache_tags.reclaim_failed");
    warned.mockRestore();
    await evictDurableObject(index);
    const runs = await untilReclaimed();
    expect(runs).toBeGreaterThanOrEqual(2);
    expect(await keysUnder("large")).toEqual([]);
    expect(await env.CACHE.get("2:499")).toBeNull();
  });

  it("is reclaimed although KV refuses one key, and an entry stored again is kept", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    await sync({
      since: null,
      stored: [
        entry("refused", ["one"]),
        ...Array.from({ length: 400 }, (_, n) => entry(`mine:${n}`, ["many"])),
      ],
    });
    await purge(["one"]);
    await purge(["many"]);
    await sync({
      since: null,
      stored: Array.from({ length: 200 }, (_, n) => entry(`mine:${n}`, ["many"], 2)),
    });
    const spy = vi.spyOn(env.CACHE, "delete").mockImplementation(async (key) => {
      if (key === "refused") throw new Error("KV DELETE failed: 400 Bad Request");
    });
    await runInDurableObject(index, async (object, { storage }) => {
      (object as unknown as { env: { CACHE: KVNamespace } }).env = { CACHE: env.CACHE };
      for (let run = 0; run < 4; run += 1) {
        // The platform runs one alarm at a time.
        await storage.deleteAlarm();
        await object.alarm();
      }
    });
    const deleted = spy.mock.calls.map(([key]) => key);
    vi.restoreAllMocks();
    expect(deleted.filter((key) => key.startsWith("mine:"))).toHaveLength(200);
    expect(await keysUnder("one")).toEqual(["refused"]);
    expect(await keysUnder("many")).toHaveLength(100);
  });

  it("is forgotten once KV has dropped it: the index cleans up and then sleeps", async () => {
    await sync({
      since: null,
      stored: [entry("old", ["t"]), { ...entry("new", ["t"]), expiresAt: far + 1_000 }],
    });
    await purge(["t"], "soft");
    await runInDurableObject(index, async (object, { storage }) => {
      object.clock = () => far;
      await object.alarm();
      expect(await storage.getAlarm()).not.toBeNull();
    });
    expect(await keysUnder("t")).toEqual(["new"]);
    await runInDurableObject(index, async (object, { storage }) => {
      object.clock = () => far + 3 * 86_400_000;
      await object.alarm();
      await storage.deleteAlarm();
      await object.alarm();
      expect(await storage.getAlarm()).toBeNull();
      object.clock = Date.now;
    });
    expect(await sync({ since: null })).toMatchObject({ meta: { seq: 1, floor: 1 } });
  });
});

describe("a tag that was purged long ago", () => {
  it("is forgotten, oldest first, and entries that it could affect count as purged", async () => {
    await purge(["a"]);
    await purge(["b"]);
    await runInDurableObject(index, (object) => {
      object.clock = () => Date.now() + 49 * 3_600_000;
    });
    await purge(["c"]);
    await runInDurableObject(index, async (object) => await object.alarm());
    expect(await sync({ since: await seen(0) })).toMatchObject({
      meta: { seq: 3, floor: 2 },
      purges: [["c", { hard: 3 }]],
    });
    await evictDurableObject(index);
    expect(await sync({ since: null })).toMatchObject({ meta: { seq: 3, floor: 2 } });
  });

  it("stays while one that was purged before it stays", async () => {
    await purge(["a"]);
    await purge(["b"]);
    await purge(["a"]);
    await runInDurableObject(index, (_, { storage }) => {
      storage.sql.exec("UPDATE tags SET purged_at = 0 WHERE tag = 'a'");
      expect(deleteOldTags(storage.sql, Date.now() - 1_000, 100)).toBe(0);
    });
  });
});

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { flushPurgeOutbox, type FlushPorts } from "../../shared/database/purge-outbox/flush.ts";
import { insertPurge } from "../../shared/database/purge-outbox/pending-purges.ts";
import type { Result } from "../../shared/lib/base/result.ts";
import type { PurgeReply, PurgeRequest } from "../../shared/lib/cache/tags/rules/rpc.ts";
import type { Invalid } from "../../shared/lib/worker/validate.ts";
import { deliverPurges as deliverPurgesTask } from "../../workers/cron/tasks/deliver-purges.ts";

const db = env.DB;
const start = 1_700_000_000_000;
const index = env.CACHE_TAG_INDEX.getByName("sweep");

const asked: PurgeRequest[] = [];
const delivery: FlushPorts = {
  db,
  purge: async (request) => {
    asked.push(request);
    return (await index.purge(request)) as Result<PurgeReply, Invalid>;
  },
};
const insertIntent = (
  id: string,
  tags: string[] | "everything",
  mode: "hard" | "soft" = "hard",
  at = start,
) => insertPurge(db, { id, tags, mode, createdAt: at }).run();
const left = async (): Promise<string[]> =>
  (await db.prepare("SELECT id FROM purge_intents ORDER BY id").all<{ id: string }>()).results.map(
    ({ id }) => id,
  );

beforeEach(async () => {
  asked.length = 0;
  await db.prepare("DELETE FROM purge_intents").run();
});

describe("the sweep of purges", () => {
  it("delivers purges that are ten seconds old, one for each mode, and deletes them", async () => {
    await insertIntent("a", ["user:1", "email:a"]);
    await insertIntent("b", ["user:1", "user:2"]);
    await insertIntent("c", ["user:3"], "soft");
    await insertIntent("fresh", ["user:4"], "hard", start + 1);
    expect(await flushPurgeOutbox(delivery, start + 9_999)).toEqual({ delivered: 0, purges: 0 });
    expect(await flushPurgeOutbox(delivery, start + 10_000)).toEqual({ delivered: 3, purges: 2 });
    expect(asked).toEqual([
      { since: null, tags: ["user:1", "email:a", "user:2"], mode: "hard" },
      { since: null, tags: ["user:3"], mode: "soft" },
    ]);
    expect(await left()).toEqual(["fresh"]);
  });

  it("splits what exceeds one purge, and merges all into a purge of everything", async () => {
    const tags = (n: number) => Array.from({ length: 400 }, (_, tag) => `${n}:${tag}`);
    for (let n = 0; n < 5; n += 1) await insertIntent(`big-${n}`, tags(n));
    expect(await flushPurgeOutbox(delivery, start + 60_000)).toEqual({ delivered: 5, purges: 3 });
    await insertIntent("all", "everything");
    await insertIntent("one", ["user:1"]);
    expect(await flushPurgeOutbox(delivery, start + 60_000)).toEqual({ delivered: 2, purges: 1 });
    expect(asked.at(-1)?.tags).toBe("everything");
  });

  it("keeps what the index did not accept, and delivers it the next time", async () => {
    await insertIntent("a", ["user:1"]);
    const down = async (): Promise<never> => {
      throw new Error("Durable Object is overloaded.");
    };
    await expect(flushPurgeOutbox({ db, purge: down }, start + 60_000)).rejects.toThrow(
      "overloaded",
    );
    expect(await left()).toEqual(["a"]);
    expect(await flushPurgeOutbox(delivery, start + 60_000)).toMatchObject({ delivered: 1 });
  });

  it("purges again if it dies between the purge and the deletion", async () => {
    await insertIntent("a", ["user:1"]);
    const prepare = (sql: string): D1PreparedStatement => {
      if (sql.startsWith("DELETE")) throw new Error("dies");
      return db.prepare(sql);
    };
    const dying = { ...delivery, db: { prepare } as D1Database };
    await expect(flushPurgeOutbox(dying, start + 60_000)).rejects.toThrow("dies");
    expect(await flushPurgeOutbox(delivery, start + 60_000)).toMatchObject({ delivered: 1 });
    expect(asked).toHaveLength(2);
    expect(await left()).toEqual([]);
  });

  it("drops and logs what the index refuses, and delivers the rest", async () => {
    const logged = vi.spyOn(console, "error").mockReturnValue();
    await insertIntent("good", ["user:1"]);
    await insertIntent("bad", ["x".repeat(2_000)]);
    await insertIntent("also-good", ["user:2"]);
    expect(await flushPurgeOutbox(delivery, start + 60_000)).toEqual({ delivered: 2, purges: 2 });
    expect(await left()).toEqual([]);
    expect(logged.mock.calls.join()).toContain("purge_intent.refused");
    logged.mockRestore();
  });

  it("delivers the rest though the index throws at one, which stays", async () => {
    for (const id of ["a", "b", "c"]) await insertIntent(id, [`user:${id}`], "hard", start + 1);
    await insertIntent("poison", ["poison"], "hard", start);
    const poisoned: FlushPorts = {
      db,
      purge: async (request) => {
        if (request.tags.includes("poison")) throw new Error("string or blob too big");
        return await delivery.purge(request);
      },
    };
    await expect(flushPurgeOutbox(poisoned, start + 60_000)).rejects.toThrow("too big");
    expect(await left()).toEqual(["poison"]);
  });

  it("stops soon when the index answers none", async () => {
    for (let n = 0; n < 20; n += 1) await insertIntent(`p${n}`, [`user:${n}`]);
    let calls = 0;
    const down = async (): Promise<never> => {
      calls += 1;
      throw new Error("Durable Object is overloaded.");
    };
    await expect(flushPurgeOutbox({ db, purge: down }, start + 60_000)).rejects.toThrow(
      "overloaded",
    );
    expect(calls).toBeLessThanOrEqual(3);
    expect(await left()).toHaveLength(20);
  });

  it("merges no more than the index takes as one purge", async () => {
    for (const letter of "abc")
      await insertIntent(
        letter,
        Array.from({ length: 240 }, (_, n) => `${letter}${n}`.padEnd(1_000, "猫")),
      );
    expect(await flushPurgeOutbox(delivery, start + 60_000)).toEqual({ delivered: 3, purges: 2 });
  });

  it("is a scheduled task", async () => {
    await insertIntent("a", ["user:task"]);
    const context = {
      context: env,
      trigger: "cron" as const,
      signal: new AbortController().signal,
      waitUntil: () => undefined,
    };
    expect(await deliverPurgesTask.run(context)).toEqual({ delivered: 1, purges: 1 });
    const reply = await env.CACHE_TAG_INDEX.getByName("cache").sync({
      since: null,
      lookUp: ["user:task"],
    });
    expect(JSON.stringify(reply)).toMatch(/"user:task",\{"hard":[1-9]/);
  });
});

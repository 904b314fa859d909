import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { apiKeyKey, relatedKey, userKey } from "../../shared/accounts/rules/keys.ts";
import { noteSeen } from "../../shared/accounts/sql/activity.ts";
import { INDEX_NAME } from "../../shared/lib/cache/tags/rules/rpc.ts";
import type { CronEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { runTask } from "../support/run-task.ts";

/** Warming the cache for recently active users, on a real D1, KV and tag index. */

const db = env.DB;
const HOUR_MS = 3_600_000;
let fleets = 0;

beforeEach(async () => {
  await db.batch(
    ["user_activity", "subscriptions", "users"].map((table) => db.prepare(`DELETE FROM ${table}`)),
  );
  const { keys } = await env.CACHE.list();
  await Promise.all(keys.map(({ name }) => env.CACHE.delete(name)));
});
afterEach(() => void vi.restoreAllMocks());

async function user(id: string, seenAgoMs: number | null): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO users
           (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at)
         VALUES (?1, ?2, 'pro', ?3, 'luna_', 0, 0)`,
      )
      .bind(id, `${id}@example.com`, `hash-${id}`),
    db
      .prepare("INSERT INTO subscriptions (user_id, status, started_at) VALUES (?1, 'active', 0)")
      .bind(id),
  ]);
  if (seenAgoMs !== null) await noteSeen(db, id, Date.now() - seenAgoMs);
}

/** An isolate that has read nothing yet. */
const cold = (): Partial<CronEnv> => ({
  CACHE_TAG_INDEX: {
    getByName: () => env.CACHE_TAG_INDEX.getByName(INDEX_NAME),
  } as unknown as CronEnv["CACHE_TAG_INDEX"],
});
const keysOf = (id: string) => [
  apiKeyKey(`hash-${id}`),
  userKey(id),
  relatedKey(id, "permissions"),
];
const inKv = async () => (await env.CACHE.list()).keys.map(({ name }) => name).toSorted();

describe("warm-cache", () => {
  it("puts the key, user and permissions of users seen within a day into KV", async () => {
    await user("now", 0);
    await user("today", 23 * HOUR_MS);
    await user("yesterday", 25 * HOUR_MS);
    await user("never", null);
    expect(await runTask("warm-cache", cold())).toEqual({
      users: 2,
      warm: 0,
      loaded: 6,
      failed: 0,
    });
    await eventually(async () =>
      expect(await inKv()).toEqual([...keysOf("now"), ...keysOf("today")].toSorted()),
    );
  });

  it("finds warm entries, and loads those that were purged since", async () => {
    await user("ada", 0);
    await runTask("warm-cache", cold());
    await eventually(async () => expect(await inKv()).toHaveLength(3));
    expect(await runTask("warm-cache", cold())).toEqual({
      users: 1,
      warm: 3,
      loaded: 0,
      failed: 0,
    });
    await env.CACHE_TAG_INDEX.getByName(INDEX_NAME).purge({
      tags: [userKey("ada")],
      mode: "hard",
      since: null,
    });
    expect(await runTask("warm-cache", cold())).toMatchObject({ warm: 0, loaded: 3 });
  });

  it("warms a hundred users per run, those who came last", async () => {
    await db.batch([
      db.prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
         INSERT INTO users (user_id, email, tier, api_key_hash, created_at, updated_at)
         SELECT 'u' || i, 'u' || i, 'free', 'h' || i, 0, i FROM n`,
      ),
      db
        .prepare(
          `INSERT INTO user_activity (user_id, last_seen_at)
           SELECT user_id, ?1 + updated_at FROM users`,
        )
        .bind(Date.now() - HOUR_MS),
    ]);
    expect(await runTask("warm-cache", cold())).toMatchObject({ users: 100, loaded: 300 });
    await eventually(async () => expect(await inKv()).toHaveLength(300));
    const keys = await inKv();
    expect(keys).toContain(userKey("u51"));
    expect(keys).not.toContain(userKey("u50"));
  });

  it("leaves the remaining users to the next run at its timeout", async () => {
    await user("ada", 0);
    expect(await runTask("warm-cache", cold(), AbortSignal.abort())).toMatchObject({ users: 0 });
    expect(await runTask("warm-cache", cold())).toMatchObject({ users: 1 });
  });

  it("goes on without KV", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    await user("ada", 0);
    const kvDown = {
      get: () => Promise.reject(new Error("KV is down")),
      put: () => Promise.reject(new Error("KV is down")),
    };
    fleets += 1;
    const breakers = {
      getByName: (name: string) => env.CIRCUIT_BREAKER.getByName(`${name}#${fleets}`),
    };
    const changes = {
      ...cold(),
      CACHE: kvDown as unknown as KVNamespace,
      CIRCUIT_BREAKER: breakers as unknown as CronEnv["CIRCUIT_BREAKER"],
    };
    expect(await runTask("warm-cache", changes)).toMatchObject({ users: 1, loaded: 3, failed: 0 });
  });
});

describe("the time at which a user was seen", () => {
  const seen = async (id: string) =>
    await db
      .prepare("SELECT last_seen_at AS at FROM user_activity WHERE user_id = ?1")
      .bind(id)
      .first("at");

  it("is stored once per hour, and never goes back", async () => {
    await user("ada", null);
    await noteSeen(db, "ada", HOUR_MS);
    for (const at of [HOUR_MS + 1, 2 * HOUR_MS - 1, 0]) await noteSeen(db, "ada", at);
    expect(await seen("ada")).toBe(HOUR_MS);
    await noteSeen(db, "ada", 2 * HOUR_MS);
    expect(await seen("ada")).toBe(2 * HOUR_MS);
  });

  it("is not stored for a deleted user", async () => {
    await user("ada", null);
    await db.prepare("UPDATE users SET deleted_at = 1 WHERE user_id = 'ada'").run();
    await noteSeen(db, "ada", HOUR_MS);
    expect(await seen("ada")).toBeNull();
  });
});

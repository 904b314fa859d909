import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recentNotices } from "../../shared/alerts/sql/alerts.ts";
import { isDatabaseFull } from "../../shared/database/rules/faults.ts";
import { noteFull, readSize, watchSize } from "../../shared/database/size.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import { evaluateAlerts } from "../../workers/cron/watch.ts";
import { notification, queueEmail } from "../support/emails.ts";
import { fillDatabase, forgetSizes, makeRoom } from "../support/full-database.ts";

/** The size of a real D1, under a limit that the test moves. */

const db = env.DB;
const DAY_MS = 86_400_000;
const now = Date.parse("2026-11-25T09:00:00Z");
const sizeNow = async (): Promise<number> => (await db.prepare("SELECT 1").run()).meta.size_after;
/** A limit of which the database has that share. */
const limitAt = async (share: number): Promise<number> => (await sizeNow()) / share;
const caught = (work: Promise<unknown>) => work.then(() => null).catch((error: unknown) => error);

const clear = async () => {
  await forgetSizes(db);
  await db.batch([
    db.prepare("DELETE FROM alerts"),
    db.prepare("DELETE FROM alert_notices"),
    db.prepare("DELETE FROM emails"),
  ]);
};
beforeEach(clear);
afterEach(clear);

const insertUser = (id: string) =>
  db
    .prepare(
      `INSERT INTO users
         (user_id, email, api_key_hash, api_key_prefix, tier, created_at, updated_at)
       VALUES (?1, ?1 || '@example.com', ?1, 'luna_x', 'free', 0, 0)`,
    )
    .bind(id)
    .run();

describe("the database", () => {
  it("takes no new emails and users from 95 % on, and takes them again below 93 %", async () => {
    const accepted = await queueEmail(db, now);
    await watchSize(db, await limitAt(0.94), now);
    await queueEmail(db, now);
    await watchSize(db, await limitAt(0.96), now);
    expect(isDatabaseFull(await caught(queueEmail(db, now)))).toBe(true);
    expect(isDatabaseFull(await caught(insertUser("bob")))).toBe(true);
    // What was accepted goes on, and alerts go out. Usage reports wait.
    const { claimed } = await claim(db, {
      notifications: [notification(accepted)],
      token: "t",
      now,
      leaseExpiresAt: now + 60_000,
      open: ["smtp"],
    });
    expect(claimed.map(({ id }) => id)).toEqual([accepted]);
    await queueEmail(db, now, { tenant: "system" });
    const report = queueEmail(db, now, { tenant: "system", category: "notification" });
    expect(isDatabaseFull(await caught(report))).toBe(true);
    await watchSize(db, await limitAt(0.94), now);
    expect(isDatabaseFull(await caught(queueEmail(db, now)))).toBe(true);
    await watchSize(db, await limitAt(0.92), now);
    await queueEmail(db, now);
  });

  it("that had no room below its limit refuses until it has room again", async () => {
    const limit = await limitAt(0.5);
    await fillDatabase(db);
    await noteFull(db, now);
    const full = await watchSize(db, limit, now);
    expect(full).toMatchObject({ limitBytes: full.bytes, refuses: true });
    await makeRoom(db);
    expect(await watchSize(db, limit, now)).toMatchObject({ limitBytes: limit, refuses: false });
    expect(await readSize(db, limit, now)).toMatchObject({ limitBytes: limit, refuses: false });
  });

  it("takes new emails again once rows are deleted: free pages do not count", async () => {
    const filler = "x".repeat(100_000);
    for (let n = 0; n < 10; n += 1) await queueEmail(db, now, { text: filler });
    const limit = await limitAt(0.96);
    expect((await watchSize(db, limit, now)).refuses).toBe(true);
    await db.prepare("DELETE FROM emails").run();
    expect((await watchSize(db, limit, now)).refuses).toBe(false);
    await queueEmail(db, now);
  });

  it("has its size recorded once per day, and a forecast after a day", async () => {
    const limit = await limitAt(0.5);
    for (const minutes of [0, 1, 2]) await watchSize(db, limit, now + minutes * 60_000);
    const days = async () =>
      (await db.prepare("SELECT day FROM database_sizes ORDER BY day").all()).results.length;
    expect(await days()).toBe(1);
    expect(await readSize(db, limit, now)).toMatchObject({ fullInDays: null });
    await db.prepare("UPDATE database_sizes SET bytes = bytes / 2").run();
    const later = await watchSize(db, limit, now + 10 * DAY_MS);
    expect(later.fullInDays).toBeGreaterThan(0);
    expect(await days()).toBe(2);
    await watchSize(db, limit, now + 40 * DAY_MS);
    expect(await days()).toBe(1);
  });

  it("fires an alert at each share that it reaches", async () => {
    const firedKeys = async () =>
      (await recentNotices(db, 50))
        .map(({ key }) => key)
        .filter((key) => key.startsWith("storage"));
    const firesAt = async (megabytes: number) => {
      await evaluateAlerts({ ...env, DATABASE_LIMIT_MB: String(megabytes) });
      return await firedKeys();
    };
    while ((await sizeNow()) < 3.85e6)
      await queueEmail(db, now, { tenant: "system", text: "x".repeat(50_000) });
    expect(await sizeNow()).toBeLessThan(4e6);
    expect(await firesAt(10_000)).toEqual([]);
    expect(await firesAt(5)).toEqual(["storage:70"]);
    expect((await firesAt(4)).toSorted()).toEqual(["storage:70", "storage:85", "storage:95"]);
    const { summary } = (await recentNotices(db, 50)).find(({ key }) => key === "storage:95") ?? {};
    expect(summary).toMatch(/^the database is at 9[6-9] % of 4 MB: it refuses new emails/);
  });
});

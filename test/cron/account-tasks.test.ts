import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { losingReplies } from "../support/lossy-database.ts";
import { runTask as run } from "../support/run-task.ts";

/** The tasks for accounts, on rows of a real D1, with a clock that the test sets. */

const db = env.DB;
const DAY_MS = 86_400_000;
const monday = Date.parse("2026-11-30T08:30:00Z");

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: monday });
  const tables = [
    "usage_daily",
    "purge_intents",
    "usage_reports",
    "usage_metrics",
    "subscriptions",
    "emails",
    "email_events",
    "idempotency_keys",
    "suppressions",
    "users",
  ];
  await db.batch(tables.map((table) => db.prepare(`DELETE FROM ${table}`)));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function user(id: string, trialEndsAt: number | null = null): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO users (user_id, email, tier, created_at, updated_at)
         VALUES (?1, ?2, 'pro', 0, 0)`,
      )
      .bind(id, `${id}@example.com`),
    db
      .prepare(
        `INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at)
         VALUES (?1, ?2, 0, ?3)`,
      )
      .bind(id, trialEndsAt === null ? "active" : "trialing", trialEndsAt),
  ]);
}
const emails = async () =>
  (
    await db
      .prepare(
        'SELECT to_address AS "to", subject, tenant, category FROM emails ORDER BY to_address',
      )
      .all()
  ).results;

describe("tell-of-trial-ends", () => {
  it("notifies each user once, three days before the end of their trial", async () => {
    await user("soon", monday + 2.5 * DAY_MS);
    await user("later", monday + 4 * DAY_MS);
    await user("over", monday - 1);
    await user("paying");
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0 });
    expect(await emails()).toEqual([
      {
        to: "soon@example.com",
        subject: "Your Luna trial ends on 2 December 2026",
        tenant: "system",
        category: "transactional",
      },
    ]);
    vi.setSystemTime(monday + 1.5 * DAY_MS);
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0 });
    expect((await emails()).map(({ to }) => to)).toEqual(["later@example.com", "soon@example.com"]);
  });

  it("notifies again of an extended trial, and no deleted user", async () => {
    await user("ada", monday + DAY_MS);
    await user("gone", monday + DAY_MS);
    await db.prepare("UPDATE users SET email = NULL WHERE user_id = 'gone'").run();
    await run("tell-of-trial-ends");
    await db
      .prepare("UPDATE subscriptions SET trial_ends_at = ?1 WHERE user_id = 'ada'")
      .bind(monday + 2 * DAY_MS)
      .run();
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0 });
    expect(await emails()).toHaveLength(2);
  });

  it("sends one email although a process dies before it marks it, or two run at once", async () => {
    await user("ada", monday + DAY_MS);
    const dying = {
      prepare: (sql: string) => (sql.startsWith("UPDATE subscriptions") ? fail() : db.prepare(sql)),
      batch: db.batch.bind(db),
    };
    await expect(run("tell-of-trial-ends", { DB: dying as unknown as D1Database })).rejects.toThrow(
      "died",
    );
    await Promise.all([run("tell-of-trial-ends"), run("tell-of-trial-ends")]);
    expect(await emails()).toHaveLength(1);
  });

  it("marks a suppressed recipient and goes on", async () => {
    await user("ada", monday + DAY_MS);
    await user("bob", monday + DAY_MS);
    await db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES ('ada@example.com', 'all', 'bounce', 0)`,
      )
      .run();
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 2, left: 0 });
    expect((await emails()).map(({ to }) => to)).toEqual(["bob@example.com"]);
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 0, left: 0 });
  });

  it("leaves to the next run what D1 did not accept", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await user("ada", monday + DAY_MS);
    const failing = {
      prepare: db.prepare.bind(db),
      batch: () => Promise.reject(new Error("D1 is down")),
    };
    expect(await run("tell-of-trial-ends", { DB: failing as unknown as D1Database })).toEqual({
      notified: 0,
      left: 1,
    });
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0 });
  });
});

describe("end-trials", () => {
  const states = async () =>
    (
      await db
        .prepare(
          `SELECT user_id AS id, tier, status, trial_ends_at AS trialEndsAt, ended_at AS endedAt
           FROM users JOIN subscriptions USING (user_id) ORDER BY id`,
        )
        .all()
    ).results;
  const pendingPurges = async () =>
    (await db.prepare("SELECT tags FROM purge_intents").all<{ tags: string }>()).results.map(
      ({ tags }) => JSON.parse(tags) as string[],
    );

  it("ends each trial that is over, as of its end, and no other subscription", async () => {
    await user("over", monday - 5);
    await user("now", monday);
    await user("later", monday + 1);
    await user("paying");
    await user("gone", monday - 5);
    await db.batch([
      db.prepare("UPDATE users SET deleted_at = 1 WHERE user_id = 'gone'"),
      db.prepare(
        "UPDATE subscriptions SET status = 'cancelled', ended_at = 1 WHERE user_id = 'gone'",
      ),
    ]);
    const ended = (id: string, at: number) => ({
      id,
      tier: "free",
      status: "cancelled",
      trialEndsAt: at,
      endedAt: at,
    });
    const expected = [
      { id: "gone", tier: "pro", status: "cancelled", trialEndsAt: monday - 5, endedAt: 1 },
      { id: "later", tier: "pro", status: "trialing", trialEndsAt: monday + 1, endedAt: null },
      ended("now", monday),
      ended("over", monday - 5),
      { id: "paying", tier: "pro", status: "active", trialEndsAt: null, endedAt: null },
    ];
    expect(await run("end-trials")).toEqual({ ended: 2 });
    expect(await states()).toEqual(expected);
    expect(await pendingPurges()).toEqual([["user:over", "user:now"]]);
    expect(await run("end-trials")).toEqual({ ended: 0 });
    expect(await states()).toEqual(expected);
    expect(await pendingPurges()).toHaveLength(1);
  });

  it("adds the cache purge in the same batch, and deliver-purges delivers it", async () => {
    await user("over", monday - 5);
    await db
      .prepare(
        `CREATE TRIGGER refuse BEFORE UPDATE ON subscriptions
         BEGIN SELECT RAISE(ABORT, 'refused'); END`,
      )
      .run();
    await expect(run("end-trials")).rejects.toThrow("refused");
    await db.prepare("DROP TRIGGER refuse").run();
    expect(await states()).toMatchObject([{ tier: "pro", status: "trialing" }]);
    expect(await pendingPurges()).toEqual([]);
    await run("end-trials", { DB: losingReplies(db, 1) }).catch(() => undefined);
    expect(await states()).toMatchObject([{ tier: "free", status: "cancelled" }]);
    vi.setSystemTime(monday + 60_000);
    expect(await run("deliver-purges")).toEqual({ delivered: 1, purges: 1 });
    expect(await pendingPurges()).toEqual([]);
  });

  it("ends each of many trials once although two run at once", async () => {
    await db.batch(
      [
        `INSERT INTO users (user_id, tier, created_at, updated_at)
         SELECT 'u' || i, 'pro', 0, 0 FROM n`,
        `INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at)
         SELECT 'u' || i, 'trialing', 0, 1 FROM n`,
      ].map((insert) =>
        db.prepare(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2300)
           ${insert}`,
        ),
      ),
    );
    const runs = await Promise.all([run("end-trials"), run("end-trials")]);
    expect(runs.reduce((sum, { ended }) => sum + (ended ?? 0), 0)).toBe(2_300);
    expect(Math.max(...(await pendingPurges()).map(({ length }) => length))).toBe(1_000);
    expect(new Set((await pendingPurges()).flat()).size).toBe(2_300);
    expect(await run("end-trials", {}, AbortSignal.abort())).toEqual({ ended: 0 });
  });
});

function fail(): never {
  throw new Error("the process died");
}

describe("send-usage-reports", () => {
  const used = (id: string, metric: string, day: string, amount: number) =>
    db
      .prepare(
        "INSERT INTO usage_daily (user_id, metric, day, amount, total) VALUES (?1, ?2, ?3, ?4, 0)",
      )
      .bind(id, metric, day, amount)
      .run();

  it("sends each user with usage in the week before one report", async () => {
    for (const id of ["ada", "bob", "eve"]) await user(id);
    await used("ada", "requests", "2026-11-23", 1_000);
    await used("ada", "requests", "2026-11-29", 234);
    await used("ada", "mails", "2026-11-25", 3);
    await used("bob", "requests", "2026-11-22", 9);
    await used("bob", "requests", "2026-11-30", 9);
    await used("eve", "requests", "2026-11-25", 0);
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0 });
    expect(await run("send-usage-reports")).toEqual({ sent: 0, left: 0 });
    expect(await emails()).toEqual([
      {
        to: "ada@example.com",
        subject: "Your usage, 23 November 2026 to 29 November 2026",
        tenant: "system",
        category: "notification",
      },
    ]);
    const text = await db.prepare("SELECT text FROM emails").first<string>("text");
    expect(text).toContain("1,234");
  });

  it("sends no report to a user who has unsubscribed, and marks them", async () => {
    await user("ada");
    await used("ada", "requests", "2026-11-25", 1);
    await db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES ('ada@example.com', 'non-transactional', 'unsubscribe', 0)`,
      )
      .run();
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0 });
    expect(await emails()).toEqual([]);
    expect(await run("send-usage-reports")).toEqual({ sent: 0, left: 0 });
  });

  it("sends the others although one email is invalid, and fails with the reason", async () => {
    await user("ada");
    await user("bob");
    await used("ada", "x".repeat(201), "2026-11-25", 1);
    await used("bob", "requests", "2026-11-25", 1);
    await expect(run("send-usage-reports")).rejects.toThrow(
      "1 email refused, the first because data.metrics.0.name must have at most 200 characters",
    );
    expect((await emails()).map(({ to }) => to)).toEqual(["bob@example.com"]);
  });

  it("fails with the missing variable, and sends the reports once it is set", async () => {
    await user("ada");
    await used("ada", "requests", "2026-11-25", 1);
    await expect(run("send-usage-reports", { UNSUBSCRIBE_SECRET: "" })).rejects.toThrow(
      "UNSUBSCRIBE_SECRET",
    );
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0 });
  });
});

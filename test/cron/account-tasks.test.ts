import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { losingReplies } from "../support/lossy-database.ts";
import { abortedAfter, runTask as run } from "../support/run-task.ts";

/** The tasks for accounts, on rows of a real D1, with a clock that the test sets. */

const db = env.DB;
const DAY_MS = 86_400_000;
const monday = Date.parse("2026-11-30T08:30:00Z");

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: monday });
  const tables = [
    "usage_daily",
    "usage_roll_ups",
    "purge_intents",
    "usage_reports",
    "usage_metrics",
    "subscriptions",
    "emails",
    "email_events",
    "idempotency_keys",
    "task_cursors",
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
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0, late: 0 });
    expect(await emails()).toEqual([
      {
        to: "soon@example.com",
        subject: "Your Luna trial ends on 2 December 2026",
        tenant: "system",
        category: "transactional",
      },
    ]);
    vi.setSystemTime(monday + 1.5 * DAY_MS);
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0, late: 0 });
    expect((await emails()).map(({ to }) => to)).toEqual(["later@example.com", "soon@example.com"]);
  });

  it("is in the name and the language of the product, and sends nothing if it is switched off", async () => {
    await user("soon", monday + 2.5 * DAY_MS);
    const off = { AUTOMATIC_EMAILS_OFF: "trial-expiry" };
    expect(await run("tell-of-trial-ends", off)).toEqual({ notified: 0, left: 0, late: 0 });
    expect(await emails()).toEqual([]);
    const acme = { PRODUCT_NAME: "Acme", PRODUCT_LANGUAGE: "en-US" };
    expect(await run("tell-of-trial-ends", acme)).toEqual({ notified: 1, left: 0, late: 0 });
    expect(await emails()).toMatchObject([{ subject: "Your Acme trial ends on December 2, 2026" }]);
  });

  it("notifies of a short trial in its second half", async () => {
    await user("short", monday + 1.5 * DAY_MS);
    const short = { TRIAL_DAYS: "2" };
    expect(await run("tell-of-trial-ends", short)).toEqual({ notified: 0, left: 0, late: 0 });
    vi.setSystemTime(monday + 0.5 * DAY_MS);
    expect(await run("tell-of-trial-ends", short)).toEqual({ notified: 1, left: 0, late: 0 });
  });

  it("sends page after page, and reports what is left and what ends before the next run", async () => {
    await db.batch([
      db.prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 410)
         INSERT INTO users (user_id, email, tier, api_key_hash, created_at, updated_at)
         SELECT 'u' || i, 'u' || i || '@example.com', 'pro', 'h' || i, 0, 0 FROM n`,
      ),
      db
        .prepare(
          `INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at)
           SELECT user_id, 'trialing', 0, ?1 + 60000 * SUBSTR(user_id, 2) FROM users`,
        )
        .bind(Date.now() - 175 * 60_000),
    ]);
    const first = await run("tell-of-trial-ends", {}, abortedAfter(1));
    // 235 end in the future, one per minute; the next run comes at ten past.
    expect(first).toEqual({ notified: 200, left: 35, late: 0 });
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 35, left: 0, late: 0 });
    expect(await emails()).toHaveLength(235);
  });

  it("reports as late who is not notified before their trial ends", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await user("soon", monday + 30 * 60_000);
    await user("later", monday + DAY_MS);
    const failing = {
      prepare: db.prepare.bind(db),
      batch: () => Promise.reject(new Error("D1 is down")),
    };
    const changes = { DB: failing as unknown as D1Database };
    const result = await run("tell-of-trial-ends", changes);
    expect(result).toEqual({ notified: 0, left: 2, late: 1 });
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
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0, late: 0 });
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
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 2, left: 0, late: 0 });
    expect((await emails()).map(({ to }) => to)).toEqual(["bob@example.com"]);
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 0, left: 0, late: 0 });
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
      late: 0,
    });
    expect(await run("tell-of-trial-ends")).toEqual({ notified: 1, left: 0, late: 0 });
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
    expect(await run("end-trials")).toEqual({ ended: 2, left: 0, late: 0 });
    expect(await states()).toEqual(expected);
    expect(await pendingPurges()).toEqual([["user:over", "user:now"]]);
    expect(await run("end-trials")).toEqual({ ended: 0, left: 0, late: 0 });
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
    expect(await run("end-trials", {}, AbortSignal.abort())).toMatchObject({ ended: 0 });
  });
});

function fail(): never {
  throw new Error("the process died");
}

describe("send-usage-reports", () => {
  const rolledUp = (finished: 0 | 1) =>
    db
      .prepare(
        `INSERT INTO usage_roll_ups (period, after_user, after_metric, finished)
         VALUES ('2026-11-29', '', '', ?1) ON CONFLICT DO UPDATE SET finished = ?1`,
      )
      .bind(finished)
      .run();
  beforeEach(async () => void (await rolledUp(1)));

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
    await used("ada", "emails", "2026-11-25", 3);
    await used("bob", "requests", "2026-11-22", 9);
    await used("bob", "requests", "2026-11-30", 9);
    await used("eve", "requests", "2026-11-25", 0);
    const off = { AUTOMATIC_EMAILS_OFF: "usage-report" };
    expect(await run("send-usage-reports", off)).toEqual({ sent: 0, left: 0, late: 0 });
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0, late: 0 });
    expect(await run("send-usage-reports")).toEqual({ sent: 0, left: 0, late: 0 });
    expect(await emails()).toEqual([
      {
        to: "ada@example.com",
        subject: "Your usage, 23 – 29 November 2026",
        tenant: "system",
        category: "notification",
      },
    ]);
    const text = await db.prepare("SELECT text FROM email_contents").first<string>("text");
    expect(text).toContain("1,234");
  });

  it("sends the same reports on a later day of the week", async () => {
    vi.setSystemTime(monday + 3 * DAY_MS);
    await user("ada");
    await used("ada", "requests", "2026-11-29", 5);
    await used("ada", "requests", "2026-12-01", 7);
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0, late: 0 });
    expect(await emails()).toMatchObject([{ subject: "Your usage, 23 – 29 November 2026" }]);
  });

  it("has nothing to report in the week in which Luna was installed", async () => {
    await db.prepare("DELETE FROM usage_roll_ups").run();
    await user("ada");
    await db.prepare("UPDATE users SET created_at = ?1").bind(Date.now()).run();
    expect(await run("send-usage-reports")).toMatchObject({ sent: 0, left: 0, late: 0 });
  });

  it("explains that it sends none before the week is rolled up, and sends them then", async () => {
    await user("ada");
    await used("ada", "requests", "2026-11-25", 1);
    for (const prepare of [
      () => db.prepare("DELETE FROM usage_roll_ups").run(),
      () => rolledUp(0),
    ]) {
      await prepare();
      await expect(run("send-usage-reports")).rejects.toThrow(
        "the usage of 2026-11-29 is not rolled up yet: run roll-up-usage",
      );
    }
    expect(await emails()).toEqual([]);
    await run("roll-up-usage");
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0, late: 0 });
  });

  /** Users u1000 and so on, each with usage on the Sunday. */
  const usedByMany = (users: number) =>
    db.batch(
      [
        `INSERT INTO users (user_id, email, tier, api_key_hash, created_at, updated_at)
         SELECT 'u' || (999 + i), 'u' || (999 + i) || '@example.com', 'pro', 'h' || i, 0, 0 FROM n`,
        `INSERT INTO usage_daily (user_id, metric, day, amount, total)
         SELECT 'u' || (999 + i), 'requests', '2026-11-29', i, i FROM n`,
      ].map((insert) =>
        db.prepare(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${users})
           ${insert}`,
        ),
      ),
    );

  it("finds who used something behind thousands who did not, look by look", async () => {
    await usedByMany(4_500);
    await db.prepare("UPDATE usage_daily SET amount = 0 WHERE user_id <> 'u5498'").run();
    await user("zoe");
    await used("zoe", "requests", "2026-11-29", 1);
    expect(await run("send-usage-reports")).toEqual({ sent: 2, left: 0, late: 0 });
    expect(await run("send-usage-reports")).toEqual({ sent: 0, left: 0, late: 0 });
  });

  it("sends page after page, and reports what is left and what no later run of the day sends", async () => {
    await usedByMany(450);
    const first = await run("send-usage-reports", {}, abortedAfter(1));
    expect(first).toEqual({ sent: 200, left: 250, late: 0 });
    vi.setSystemTime(Date.parse("2026-11-30T23:55:00Z"));
    const last = await run("send-usage-reports", {}, abortedAfter(1));
    expect(last).toEqual({ sent: 200, left: 50, late: 50 });
    expect(await run("send-usage-reports")).toEqual({ sent: 50, left: 0, late: 0 });
    expect(await emails()).toHaveLength(450);
    const own = `SELECT COUNT(DISTINCT c.html) AS html, COUNT(DISTINCT c.text) AS text
      FROM email_contents AS c JOIN emails ON id = email_id`;
    expect(await db.prepare(own).first()).toEqual({ html: 450, text: 450 });
  });

  it("reads no user again whose report was sent, but each whose report was not", async () => {
    await usedByMany(250);
    const refusesU1100 = `CREATE TRIGGER refuse BEFORE INSERT ON usage_reports
      WHEN NEW.user_id = 'u1100' BEGIN SELECT RAISE(ABORT, 'refused'); END`;
    await db.prepare(refusesU1100).run();
    await expect(run("send-usage-reports")).rejects.toThrow("refused");
    await db.prepare("DROP TRIGGER refuse").run();
    expect(await run("send-usage-reports")).toEqual({ sent: 250, left: 0, late: 0 });
    expect(await emails()).toHaveLength(250);
    const dbWithoutUsers = {
      prepare: (sql: string) => (/FROM\s+users/.test(sql) ? fail() : db.prepare(sql)),
    };
    const changes = { DB: dbWithoutUsers as unknown as D1Database };
    expect(await run("send-usage-reports", changes)).toEqual({ sent: 0, left: 0, late: 0 });
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
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0, late: 0 });
    expect(await emails()).toEqual([]);
    expect(await run("send-usage-reports")).toEqual({ sent: 0, left: 0, late: 0 });
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
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0, late: 0 });
  });
});

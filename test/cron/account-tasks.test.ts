import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { losingReplies } from "../support/lossy-database.ts";
import { runTask as run } from "../support/run-task.ts";

/** The tasks that look after accounts, on real rows in a real D1, at a time that the test sets. */

const db = env.DB;
const DAY_MS = 86_400_000;
const monday = Date.parse("2026-11-30T08:30:00Z");

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: monday });
  const tables = [
    "usage_daily",
    "usage_monthly",
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
      .prepare("INSERT INTO users (user_id, email, tier, created_at, updated_at) VALUES (?1, ?2, 'pro', 0, 0)")
      .bind(id, `${id}@example.com`),
    db
      .prepare("INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at) VALUES (?1, ?2, 0, ?3)")
      .bind(id, trialEndsAt === null ? "active" : "trialing", trialEndsAt),
  ]);
}
const mails = async () =>
  (await db.prepare('SELECT to_address AS "to", subject, tenant, category FROM emails ORDER BY to_address').all()).results;

describe("tell-of-trial-ends", () => {
  it("tells each user once, three days before, and nobody whose trial is over, far away or not there", async () => {
    await user("soon", monday + 2.5 * DAY_MS);
    await user("later", monday + 4 * DAY_MS);
    await user("over", monday - 1);
    await user("paying");
    expect(await run("tell-of-trial-ends")).toEqual({ told: 1, left: 0 });
    expect(await mails()).toEqual([
      { to: "soon@example.com", subject: "Your Luna trial ends on 2 December 2026", tenant: "system", category: "transactional" },
    ]);
    vi.setSystemTime(monday + 1.5 * DAY_MS);
    expect(await run("tell-of-trial-ends")).toEqual({ told: 1, left: 0 });
    expect((await mails()).map(({ to }) => to)).toEqual(["later@example.com", "soon@example.com"]);
  });

  it("tells again of a trial that was prolonged, and of none whose account was deleted", async () => {
    await user("ada", monday + DAY_MS);
    await user("gone", monday + DAY_MS);
    await db.prepare("UPDATE users SET email = NULL WHERE user_id = 'gone'").run();
    await run("tell-of-trial-ends");
    await db
      .prepare("UPDATE subscriptions SET trial_ends_at = ?1 WHERE user_id = 'ada'")
      .bind(monday + 2 * DAY_MS)
      .run();
    expect(await run("tell-of-trial-ends")).toEqual({ told: 1, left: 0 });
    expect(await mails()).toHaveLength(2);
  });

  it("sends one mail though the process dies before it notes so, and though two run at once", async () => {
    await user("ada", monday + DAY_MS);
    const dying = {
      prepare: (sql: string) => (sql.startsWith("UPDATE subscriptions") ? fail() : db.prepare(sql)),
      batch: db.batch.bind(db),
    };
    await expect(run("tell-of-trial-ends", { DB: dying as unknown as D1Database })).rejects.toThrow("died");
    await Promise.all([run("tell-of-trial-ends"), run("tell-of-trial-ends")]);
    expect(await mails()).toHaveLength(1);
  });

  it("does not stop for a recipient who gets no mail", async () => {
    await user("ada", monday + DAY_MS);
    await user("bob", monday + DAY_MS);
    await db.prepare("INSERT INTO suppressions (address, scope, reason, created_at) VALUES ('ada@example.com', 'all', 'bounce', 0)").run();
    expect(await run("tell-of-trial-ends")).toEqual({ told: 2, left: 0 });
    expect((await mails()).map(({ to }) => to)).toEqual(["bob@example.com"]);
    expect(await run("tell-of-trial-ends")).toEqual({ told: 0, left: 0 });
  });

  it("leaves for the next run what D1 did not take", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await user("ada", monday + DAY_MS);
    const failing = { prepare: db.prepare.bind(db), batch: () => Promise.reject(new Error("D1 is down")) };
    expect(await run("tell-of-trial-ends", { DB: failing as unknown as D1Database })).toEqual({ told: 0, left: 1 });
    expect(await run("tell-of-trial-ends")).toEqual({ told: 1, left: 0 });
  });
});

describe("end-trials", () => {
  const states = async () =>
    (
      await db
        .prepare(
          "SELECT user_id AS id, tier, status, trial_ends_at AS trialEndsAt, ended_at AS endedAt FROM users JOIN subscriptions USING (user_id) ORDER BY id",
        )
        .all()
    ).results;
  const owed = async () =>
    (await db.prepare("SELECT tags FROM purge_intents").all<{ tags: string }>()).results.map(({ tags }) => JSON.parse(tags) as string[]);

  it("ends each trial that is over as of its end, back in the free tier, and leaves those that go on, were converted or were deleted", async () => {
    await user("over", monday - 5);
    await user("now", monday);
    await user("later", monday + 1);
    await user("paying");
    await user("gone", monday - 5);
    await db.batch([
      db.prepare("UPDATE users SET deleted_at = 1 WHERE user_id = 'gone'"),
      db.prepare("UPDATE subscriptions SET status = 'cancelled', ended_at = 1 WHERE user_id = 'gone'"),
    ]);
    const ended = (id: string, at: number) => ({ id, tier: "free", status: "cancelled", trialEndsAt: at, endedAt: at });
    const expected = [
      { id: "gone", tier: "pro", status: "cancelled", trialEndsAt: monday - 5, endedAt: 1 },
      { id: "later", tier: "pro", status: "trialing", trialEndsAt: monday + 1, endedAt: null },
      ended("now", monday),
      ended("over", monday - 5),
      { id: "paying", tier: "pro", status: "active", trialEndsAt: null, endedAt: null },
    ];
    expect(await run("end-trials")).toEqual({ ended: 2 });
    expect(await states()).toEqual(expected);
    expect(await owed()).toEqual([["user:over", "user:now"]]);
    expect(await run("end-trials")).toEqual({ ended: 0 });
    expect(await states()).toEqual(expected);
    expect(await owed()).toHaveLength(1);
  });

  it("owes the cache its purge in the same batch: both or neither, and deliver-purges delivers it", async () => {
    await user("over", monday - 5);
    await db.prepare("CREATE TRIGGER refuse BEFORE UPDATE ON subscriptions BEGIN SELECT RAISE(ABORT, 'refused'); END").run();
    await expect(run("end-trials")).rejects.toThrow("refused");
    await db.prepare("DROP TRIGGER refuse").run();
    expect(await states()).toMatchObject([{ tier: "pro", status: "trialing" }]);
    expect(await owed()).toEqual([]);
    await run("end-trials", { DB: losingReplies(db, 1) }).catch(() => undefined);
    expect(await states()).toMatchObject([{ tier: "free", status: "cancelled" }]);
    vi.setSystemTime(monday + 60_000);
    expect(await run("deliver-purges")).toEqual({ delivered: 1, purges: 1 });
    expect(await owed()).toEqual([]);
  });

  it("takes more than one statement does, each with a purge that the index takes, and ends none twice though two run at once", async () => {
    await db.batch(
      [
        "INSERT INTO users (user_id, tier, created_at, updated_at) SELECT 'u' || i, 'pro', 0, 0 FROM n",
        "INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at) SELECT 'u' || i, 'trialing', 0, 1 FROM n",
      ].map((insert) => db.prepare(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2300) ${insert}`)),
    );
    const runs = await Promise.all([run("end-trials"), run("end-trials")]);
    expect(runs.reduce((sum, { ended }) => sum + (ended ?? 0), 0)).toBe(2_300);
    expect(Math.max(...(await owed()).map(({ length }) => length))).toBe(1_000);
    expect(new Set((await owed()).flat()).size).toBe(2_300);
    expect(await run("end-trials", {}, AbortSignal.abort())).toEqual({ ended: 0 });
  });
});

function fail(): never {
  throw new Error("the process died");
}

const count = (id: string, metric: string, amount: number) =>
  db
    .prepare(
      "INSERT INTO usage_metrics (user_id, metric, amount, updated_at) VALUES (?1, ?2, ?3, 0) ON CONFLICT (user_id, metric) DO UPDATE SET amount = ?3",
    )
    .bind(id, metric, amount)
    .run();
const daily = async () =>
  (await db.prepare("SELECT user_id AS user, metric, day, amount FROM usage_daily ORDER BY day, user_id, metric").all()).results;

describe("roll-up-usage", () => {
  it("writes down what was counted since the last roll-up, once a day however often it runs", async () => {
    await user("ada");
    await count("ada", "requests", 100);
    expect(await run("roll-up-usage")).toEqual({ rolledUp: 1, inMonths: 0 });
    await count("ada", "requests", 130);
    expect(await run("roll-up-usage")).toEqual({ rolledUp: 0, inMonths: 0 });
    vi.setSystemTime(monday + DAY_MS);
    await count("ada", "mails", 5);
    expect(await run("roll-up-usage")).toEqual({ rolledUp: 2, inMonths: 0 });
    expect(await daily()).toEqual([
      { user: "ada", metric: "requests", day: "2026-11-29", amount: 100 },
      { user: "ada", metric: "mails", day: "2026-11-30", amount: 5 },
      { user: "ada", metric: "requests", day: "2026-11-30", amount: 30 },
    ]);
  });

  it("loses nothing over days on which it did not run, and nothing when D1 loses its replies", async () => {
    await user("ada");
    await count("ada", "requests", 10);
    await run("roll-up-usage");
    await count("ada", "requests", 70);
    vi.setSystemTime(monday + 5 * DAY_MS);
    await run("roll-up-usage", { DB: losingReplies(db, 1) }).catch(() => undefined);
    await run("roll-up-usage");
    expect((await daily()).reduce((sum, { amount }) => sum + Number(amount), 0)).toBe(70);
  });

  it("goes through more counters than one statement takes", async () => {
    await user("ada");
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
         INSERT INTO usage_metrics (user_id, metric, amount, updated_at) SELECT 'ada', 'm' || i, 1, 0 FROM n`,
      )
      .run();
    expect(await run("roll-up-usage")).toEqual({ rolledUp: 2_500, inMonths: 0 });
  });
});

describe("roll-up-usage, of months", () => {
  const day = (id: string, metric: string, at: string, amount: number) =>
    db.prepare("INSERT INTO usage_daily (user_id, metric, day, amount, total) VALUES (?1, ?2, ?3, ?4, 0)").bind(id, metric, at, amount);
  const monthly = async () =>
    (await db.prepare("SELECT user_id AS user, metric, month, amount FROM usage_monthly ORDER BY month, user_id, metric").all()).results;

  it("sums up a month once no day of it can be added any more, once however often it runs", async () => {
    for (const id of ["ada", "bob"]) await user(id);
    for (const [id, metric] of [
      ["ada", "mails"],
      ["ada", "requests"],
      ["bob", "requests"],
    ] as const)
      await count(id, metric, 0);
    await db.batch([
      day("ada", "requests", "2026-11-01", 10),
      day("ada", "requests", "2026-11-29", 100),
      day("bob", "requests", "2026-11-02", 7),
      day("ada", "mails", "2026-11-02", 0),
    ]);
    vi.setSystemTime(Date.parse("2026-12-01T05:05:00Z"));
    expect(await run("roll-up-usage")).toMatchObject({ inMonths: 0 });
    await day("ada", "requests", "2026-12-01", 1_000).run();
    vi.setSystemTime(Date.parse("2026-12-02T00:05:00Z"));
    expect(await run("roll-up-usage")).toMatchObject({ inMonths: 3 });
    const november = [
      { user: "ada", metric: "mails", month: "2026-11", amount: 0 },
      { user: "ada", metric: "requests", month: "2026-11", amount: 110 },
      { user: "bob", metric: "requests", month: "2026-11", amount: 7 },
    ];
    expect(await monthly()).toEqual(november);
    expect(await run("roll-up-usage")).toMatchObject({ inMonths: 0 });
    expect(await monthly()).toEqual(november);
  });

  it("makes up for months in which it did not run, and for a run that died between two pages", async () => {
    await user("ada");
    await db.batch([
      db.prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
         INSERT INTO usage_metrics (user_id, metric, amount, updated_at) SELECT 'ada', 'm' || i, 0, 0 FROM n`,
      ),
      ...["2026-08-15", "2026-09-15", "2026-10-15"].map((at) =>
        db
          .prepare("INSERT INTO usage_daily (user_id, metric, day, amount, total) SELECT user_id, metric, ?1, 2, 0 FROM usage_metrics")
          .bind(at),
      ),
    ]);
    let pages = 0;
    const dying = {
      prepare: (sql: string) => {
        if (sql.startsWith("INSERT INTO usage_monthly") && (pages += 1) === 5) fail();
        return db.prepare(sql);
      },
      batch: db.batch.bind(db),
    };
    await expect(run("roll-up-usage", { DB: dying as unknown as D1Database })).rejects.toThrow("died");
    const written = (await monthly()).length;
    expect(written).toBe(3_500);
    expect(await run("roll-up-usage")).toMatchObject({ inMonths: 7_500 - written });
    const sums = await db.prepare("SELECT month, COUNT(*) AS n, SUM(amount) AS amount FROM usage_monthly GROUP BY month").all();
    expect(sums.results).toEqual(["2026-08", "2026-09", "2026-10"].map((month) => ({ month, n: 2_500, amount: 5_000 })));
  });
});

describe("send-usage-reports", () => {
  const used = (id: string, metric: string, day: string, amount: number) =>
    db
      .prepare("INSERT INTO usage_daily (user_id, metric, day, amount, total) VALUES (?1, ?2, ?3, ?4, 0)")
      .bind(id, metric, day, amount)
      .run();

  it("sends each user once what they used in the week before, and nobody who used nothing in it", async () => {
    for (const id of ["ada", "bob", "eve"]) await user(id);
    await used("ada", "requests", "2026-11-23", 1_000);
    await used("ada", "requests", "2026-11-29", 234);
    await used("ada", "mails", "2026-11-25", 3);
    await used("bob", "requests", "2026-11-22", 9);
    await used("bob", "requests", "2026-11-30", 9);
    await used("eve", "requests", "2026-11-25", 0);
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0 });
    expect(await run("send-usage-reports")).toEqual({ sent: 0, left: 0 });
    expect(await mails()).toEqual([
      { to: "ada@example.com", subject: "Your usage, 23 November 2026 to 29 November 2026", tenant: "system", category: "notification" },
    ]);
    const text = await db.prepare("SELECT text FROM emails").first<string>("text");
    expect(text).toContain("1,234");
  });

  it("sends none to who has unsubscribed, and does not come back to them", async () => {
    await user("ada");
    await used("ada", "requests", "2026-11-25", 1);
    await db
      .prepare(
        "INSERT INTO suppressions (address, scope, reason, created_at) VALUES ('ada@example.com', 'non-transactional', 'unsubscribe', 0)",
      )
      .run();
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0 });
    expect(await mails()).toEqual([]);
    expect(await run("send-usage-reports")).toEqual({ sent: 0, left: 0 });
  });

  it("sends the others although one cannot be made into a mail, and says so", async () => {
    await user("ada");
    await user("bob");
    await used("ada", "x".repeat(201), "2026-11-25", 1);
    await used("bob", "requests", "2026-11-25", 1);
    await expect(run("send-usage-reports")).rejects.toThrow("1 mails were refused, the first because data.metrics.0.name is too long");
    expect((await mails()).map(({ to }) => to)).toEqual(["bob@example.com"]);
  });

  it("says which variable is missing, and sends the reports when it is there", async () => {
    await user("ada");
    await used("ada", "requests", "2026-11-25", 1);
    await expect(run("send-usage-reports", { UNSUBSCRIBE_SECRET: "" })).rejects.toThrow("UNSUBSCRIBE_SECRET");
    expect(await run("send-usage-reports")).toEqual({ sent: 1, left: 0 });
  });
});

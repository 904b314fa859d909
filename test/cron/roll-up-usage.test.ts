import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { losingReplies } from "../support/lossy-database.ts";
import { abortedAfter, runTask } from "../support/run-task.ts";

const db = env.DB;
const DAY_MS = 86_400_000;
const monday = Date.parse("2026-11-30T00:05:00Z");
const run = (changes?: Parameters<typeof runTask>[1], signal?: AbortSignal) =>
  runTask("roll-up-usage", changes, signal);

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: monday });
  const tables = ["usage_daily", "usage_monthly", "usage_roll_ups", "usage_metrics", "users"];
  await db.batch(tables.map((table) => db.prepare(`DELETE FROM ${table}`)));
  await db.batch(
    ["ada", "bob"].map((id) =>
      db
        .prepare(
          `INSERT INTO users (user_id, email, tier, created_at, updated_at)
         VALUES (?1, ?1, 'pro', 0, 0)`,
        )
        .bind(id),
    ),
  );
});
afterEach(() => {
  vi.useRealTimers();
});

/** A counter has this amount since noon of the day before, or since another time. */
const count = (id: string, metric: string, amount: number, at = Date.now() - DAY_MS / 2) =>
  db
    .prepare(
      `INSERT INTO usage_metrics (user_id, metric, amount, updated_at) VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT (user_id, metric) DO UPDATE SET amount = ?3, updated_at = ?4`,
    )
    .bind(id, metric, amount, at)
    .run();
/** That many counters of ada, all with the same amount. */
const countMany = (counters: number, amount: number) =>
  db
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
       INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
       SELECT 'ada', 'm' || i, ?2, 0 FROM n`,
    )
    .bind(counters, amount)
    .run();
const daily = async () =>
  (
    await db
      .prepare(
        `SELECT user_id AS user, metric, day, amount FROM usage_daily
         ORDER BY day, user_id, metric`,
      )
      .all()
  ).results;
const used = async () =>
  (await db.prepare("SELECT SUM(amount) AS used, COUNT(*) AS rows FROM usage_daily").all())
    .results[0];

function fail(): never {
  throw new Error("the process died");
}

describe("roll-up-usage", () => {
  it("stores the usage since the last roll-up, once per day", async () => {
    await count("ada", "requests", 100);
    expect(await run()).toMatchObject({ rolledUp: 1, inMonths: 0 });
    await count("ada", "requests", 130);
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
    vi.setSystemTime(monday + DAY_MS);
    await count("ada", "emails", 5);
    expect(await run()).toMatchObject({ rolledUp: 2, inMonths: 0 });
    expect(await daily()).toEqual([
      { user: "ada", metric: "requests", day: "2026-11-29", amount: 100 },
      { user: "ada", metric: "emails", day: "2026-11-30", amount: 5 },
      { user: "ada", metric: "requests", day: "2026-11-30", amount: 30 },
    ]);
  });

  it("adds usage after a finished roll-up to the next day", async () => {
    await count("ada", "requests", 100);
    await run();
    vi.setSystemTime(monday + DAY_MS);
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
    await count("ada", "requests", 101);
    await count("bob", "requests", 7);
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
    vi.setSystemTime(monday + 2 * DAY_MS);
    await run();
    expect((await daily()).slice(1)).toEqual([
      { user: "ada", metric: "requests", day: "2026-12-01", amount: 1 },
      { user: "bob", metric: "requests", day: "2026-12-01", amount: 7 },
    ]);
  });

  it("loses no usage over days without a run, or when D1 loses its replies", async () => {
    await count("ada", "requests", 10);
    await run();
    await count("ada", "requests", 70);
    vi.setSystemTime(monday + 5 * DAY_MS);
    await run({ DB: losingReplies(db, 1) }).catch(() => undefined);
    await run();
    expect(await used()).toEqual({ used: 70, rows: 2 });
  });

  it("reports what is left and what no later run of the day does, and continues in the next run", async () => {
    await countMany(2_500, 3);
    expect(await run({}, abortedAfter(1))).toEqual({
      rolledUp: 1_000,
      inMonths: 0,
      left: 1_500,
      late: 0,
    });
    vi.setSystemTime(monday + DAY_MS - 10 * 60_000);
    expect(await run({}, abortedAfter(1))).toMatchObject({ rolledUp: 1_000, left: 500, late: 500 });
    expect(await run()).toMatchObject({ rolledUp: 500, left: 0, late: 0 });
    expect(await used()).toEqual({ used: 7_500, rows: 2_500 });
  });

  it("rolls each counter up once although two runs overlap", async () => {
    await countMany(4_500, 1);
    const runs = await Promise.all([run(), run()]);
    expect(runs.reduce((sum, { rolledUp }) => sum + (rolledUp ?? 0), 0)).toBe(4_500);
    expect(await used()).toEqual({ used: 4_500, rows: 4_500 });
  });

  it("deletes days after 400 days, except the newest of each counter", async () => {
    const row = (metric: string, day: string, total: number) =>
      db
        .prepare(
          `INSERT INTO usage_daily (user_id, metric, day, amount, total)
           VALUES ('ada', ?1, ?2, 1, ?3)`,
        )
        .bind(metric, day, total);
    await db.batch([
      row("idle", "2025-01-01", 9),
      row("idle", "2025-01-02", 10),
      row("busy", "2025-01-03", 50),
    ]);
    await count("ada", "idle", 10);
    await count("ada", "busy", 60);
    await run();
    expect(await daily()).toEqual([
      { user: "ada", metric: "idle", day: "2025-01-02", amount: 1 },
      { user: "ada", metric: "busy", day: "2026-11-29", amount: 10 },
    ]);
  });
});

describe("roll-up-usage, at any time of the day", () => {
  const midnight = Date.parse("2026-11-30T00:00:00Z");
  const HOUR_MS = 3_600_000;

  it.each(["00:00:01", "00:05:00", "05:55:00", "12:00:00", "22:11:00", "23:59:59"])(
    "books the usage of each day to that day, run at %s",
    async (time) => {
      await count("ada", "requests", 100, midnight - 1);
      await count("ada", "requests", 142, midnight);
      await count("bob", "requests", 7, midnight + 1);
      vi.setSystemTime(Date.parse(`2026-11-30T${time}Z`));
      await run();
      await run();
      expect(await daily()).toEqual([
        { user: "ada", metric: "requests", day: "2026-11-29", amount: 100 },
      ]);
      await count("ada", "requests", 150, midnight + 23 * HOUR_MS);
      await count("ada", "requests", 1_000, midnight + DAY_MS);
      await count("bob", "requests", 9, midnight + DAY_MS + HOUR_MS);
      await count("bob", "requests", 11, midnight + DAY_MS + 2 * HOUR_MS);
      vi.setSystemTime(Date.parse(`2026-12-01T${time}Z`));
      await run();
      expect((await daily()).slice(1)).toEqual([
        { user: "ada", metric: "requests", day: "2026-11-30", amount: 50 },
        { user: "bob", metric: "requests", day: "2026-11-30", amount: 7 },
      ]);
    },
  );

  it("books nothing to the day before for a user who signed up today", async () => {
    await count("ada", "calls", 42, midnight + 22 * HOUR_MS);
    vi.setSystemTime(midnight + 22.2 * HOUR_MS);
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
    expect(await daily()).toEqual([]);
  });

  it("books what was counted today before the release of these columns to today", async () => {
    await count("ada", "requests", 100, midnight + HOUR_MS);
    await db.prepare("UPDATE usage_metrics SET day = NULL, before_day = NULL").run();
    vi.setSystemTime(midnight + 22 * HOUR_MS);
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
    vi.setSystemTime(midnight + DAY_MS + HOUR_MS);
    await run();
    expect(await daily()).toEqual([
      { user: "ada", metric: "requests", day: "2026-11-30", amount: 100 },
    ]);
  });

  it("takes nothing back if the previous release booked usage of today to yesterday", async () => {
    await count("ada", "requests", 100, midnight - HOUR_MS);
    await count("ada", "requests", 142, midnight + HOUR_MS);
    await db
      .prepare(
        `INSERT INTO usage_daily (user_id, metric, day, amount, total)
         VALUES ('ada', 'requests', '2026-11-28', 142, 142)`,
      )
      .run();
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
  });
});

describe("roll-up-usage, of months", () => {
  const day = (id: string, metric: string, at: string, amount: number) =>
    db
      .prepare(
        "INSERT INTO usage_daily (user_id, metric, day, amount, total) VALUES (?1, ?2, ?3, ?4, ?4)",
      )
      .bind(id, metric, at, amount);
  const monthly = async () =>
    (
      await db
        .prepare(
          `SELECT user_id AS user, metric, month, amount FROM usage_monthly
           ORDER BY month, user_id, metric`,
        )
        .all()
    ).results;

  it("sums up a month once, after its last day was rolled up", async () => {
    await count("ada", "requests", 100);
    await count("bob", "requests", 7);
    await db.batch([
      day("ada", "requests", "2026-11-01", 10),
      day("ada", "requests", "2026-11-29", 100),
      day("bob", "requests", "2026-11-02", 7),
    ]);
    vi.setSystemTime(Date.parse("2026-12-01T05:05:00Z"));
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
    await count("ada", "requests", 1_100);
    vi.setSystemTime(Date.parse("2026-12-02T00:05:00Z"));
    expect(await run()).toMatchObject({ rolledUp: 1, inMonths: 2 });
    const november = [
      { user: "ada", metric: "requests", month: "2026-11", amount: 110 },
      { user: "bob", metric: "requests", month: "2026-11", amount: 7 },
    ];
    expect(await monthly()).toEqual(november);
    expect(await run()).toMatchObject({ inMonths: 0 });
    expect(await monthly()).toEqual(november);
  });

  it("rolls up all earlier months, also after a run that died between two pages", async () => {
    await countMany(2_500, 6);
    await db.batch(
      ["2026-08-15", "2026-10-15"].map((at, n) =>
        db
          .prepare(
            `INSERT INTO usage_daily (user_id, metric, day, amount, total)
             SELECT user_id, metric, ?1, 3, ?2 FROM usage_metrics`,
          )
          .bind(at, 3 + 3 * n),
      ),
    );
    let pages = 0;
    const dying = {
      prepare: (sql: string) => {
        if (sql.startsWith("INSERT INTO usage_monthly") && (pages += 1) === 3) fail();
        return db.prepare(sql);
      },
      batch: db.batch.bind(db),
    };
    await expect(run({ DB: dying as unknown as D1Database })).rejects.toThrow("died");
    expect(await monthly()).toHaveLength(2_000);
    expect(await run()).toMatchObject({ inMonths: 3_000 });
    const sums = await db
      .prepare(
        "SELECT month, COUNT(*) AS n, SUM(amount) AS amount FROM usage_monthly GROUP BY month",
      )
      .all();
    expect(sums.results).toEqual(
      ["2026-08", "2026-10"].map((month) => ({ month, n: 2_500, amount: 7_500 })),
    );
    expect(await run()).toMatchObject({ rolledUp: 0, inMonths: 0 });
  });
});

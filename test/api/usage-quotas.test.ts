import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runTask } from "../support/run-task.ts";
import { call, callWith, rowsInAll, signUpAs, type TestUser } from "./support.ts";

const db = env.DB;
const noon = Date.parse("2026-12-16T12:00:00Z");
const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: noon });
});
afterEach(() => {
  vi.useRealTimers();
});

const withQuotas = (quotas: string, changes: object = {}) =>
  callWith({ USAGE_MAX_PER_MONTH_BY_TIER: quotas, ...changes });
const limited = withQuotas("exports=10,20,0; renders=5,0,0");

const count = (
  user: { userId: string },
  amount: number,
  {
    api = limited,
    metric = "exports",
    key,
  }: { api?: typeof call; metric?: string; key?: string } = {},
) =>
  api(
    "POST",
    `/api/users/${user.userId}/usage`,
    { metric, amount },
    { headers: key === undefined ? {} : { "Idempotency-Key": key } },
  );
/** As luna-consumer and the release before count: they know no month. */
const countDirectly = (
  user: TestUser,
  amount: number,
  { metric = "exports", at }: { metric?: string; at: string },
) =>
  db
    .prepare(
      `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
       VALUES (?1, ?2, ?3, ?4) ON CONFLICT (user_id, metric) DO UPDATE
         SET amount = amount + excluded.amount, updated_at = excluded.updated_at`,
    )
    .bind(user.userId, metric, amount, Date.parse(at))
    .run();
/** A D1 that counts and loses the reply. It answers what has fewer statements than a count. */
const losingCounts = {
  prepare: (sql: string) => db.prepare(sql),
  batch: async (statements: D1PreparedStatement[]) => {
    const replies = await db.batch(statements);
    if (statements.length < 3) return replies;
    throw new Error("D1_ERROR: Network connection lost.");
  },
} as unknown as D1Database;
const refused = { status: 429, body: { type: "urn:luna:problem:usage-quota" } };
const stored = (user: TestUser, metric = "exports") =>
  db
    .prepare(
      `SELECT amount, day, before_day AS beforeDay, month, before_month AS beforeMonth
       FROM usage_metrics WHERE user_id = ?1 AND metric = ?2`,
    )
    .bind(user.userId, metric)
    .first();

describe("a quota of a tier", () => {
  it("is counted up to exactly, and a count beyond it changes nothing", async () => {
    const ada = await signUpAs("free");
    expect((await count(ada, 7)).body).toEqual({
      metric: "exports",
      amount: 7,
      quota: { limit: 10, used: 7 },
    });
    const before = [await rowsInAll(), await stored(ada)];
    const beyond = await count(ada, 4);
    expect(beyond).toMatchObject({
      status: 429,
      body: {
        title: "The usage of this month is used up",
        detail:
          "The tier free has a quota of 10 exports per month (UTC). " +
          "7 are used. Nothing was counted.",
      },
    });
    expect(beyond.headers.get("Retry-After")).toBe(String(15.5 * 86_400));
    expect([await rowsInAll(), await stored(ada)]).toEqual(before);
    expect((await count(ada, 3)).body.quota).toEqual({ limit: 10, used: 10 });
    expect(await count(ada, 1)).toMatchObject(refused);
  });

  it("refuses a first count that is above it", async () => {
    const ada = await signUpAs("free");
    expect(await count(ada, 11)).toMatchObject(refused);
    expect(await stored(ada)).toBeNull();
    expect((await count(ada, 10)).status).toBe(200);
  });

  it("lets exactly as many of fifty at once pass, each with a use of its own", async () => {
    const ada = await signUpAs("pro");
    const answers = await Promise.all(Array.from({ length: 50 }, () => count(ada, 1)));
    const counted = answers.filter(({ status }) => status === 200);
    expect(counted.map(({ body }) => body.quota.used).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
    for (const answer of answers.filter((one) => !counted.includes(one)))
      expect(answer).toMatchObject(refused);
    expect(await stored(ada)).toMatchObject({ amount: 20 });
  });

  it("is of a metric and a user, and 0 is no limit", async () => {
    const [ada, bob] = [await signUpAs("free"), await signUpAs("enterprise")];
    await count(ada, 10);
    expect((await count(ada, 5, { metric: "renders" })).body.quota).toEqual({ limit: 5, used: 5 });
    for (const metric of ["exports", "renders", "calls", "constructor"])
      expect((await count(bob, 1_000_000, { metric })).body).toEqual({ metric, amount: 1_000_000 });
    expect((await count(ada, 99, { metric: "calls" })).body).toEqual({
      metric: "calls",
      amount: 99,
    });
  });

  it("is none without the setting, or while that is wrong: /health names it", async () => {
    const ada = await signUpAs("free");
    const wrong = withQuotas("exports=10,20");
    for (const api of [call, withQuotas(" "), wrong])
      expect(await count(ada, 100, { api })).toMatchObject({ status: 200 });
    const health = await wrong("GET", "/health", undefined, { token: null });
    expect(health.body.checks.settings.invalid).toEqual(["USAGE_MAX_PER_MONTH_BY_TIER"]);
  });

  it("does not limit the emails that Luna counts", async () => {
    const ada = await signUpAs("free");
    const api = withQuotas("emailsSent=1,1,1");
    for (let n = 0; n < 3; n += 1)
      await countDirectly(ada, 1, { metric: "emailsSent", at: "2026-12-16T12:00:00Z" });
    expect(await count(ada, 1, { api, metric: "emailsSent" })).toMatchObject(refused);
    expect(await stored(ada, "emailsSent")).toMatchObject({ amount: 3, beforeMonth: 0 });
  });
});

describe("the month of a quota", () => {
  it("is that of UTC: what is used up is free again when it begins", async () => {
    const ada = await signUpAs("free");
    for (const [at, amount] of [
      ["2026-12-01T00:00:00.000Z", 3],
      ["2026-12-15T12:00:00.000Z", 3],
      ["2026-12-31T23:59:59.999Z", 4],
    ] as const) {
      vi.setSystemTime(at);
      expect((await count(ada, amount)).status).toBe(200);
    }
    const late = await count(ada, 1);
    expect(late).toMatchObject(refused);
    expect(late.headers.get("Retry-After")).toBe("1");
    vi.setSystemTime("2027-01-01T00:00:00.000Z");
    expect((await count(ada, 10)).body).toEqual({
      metric: "exports",
      amount: 20,
      quota: { limit: 10, used: 10 },
    });
    expect(await count(ada, 1)).toMatchObject(refused);
    vi.setSystemTime("2027-03-05T00:00:00.000Z");
    expect((await count(ada, 6)).body.quota).toEqual({ limit: 10, used: 6 });
    expect(await stored(ada)).toEqual({
      amount: 26,
      day: "2027-03-05",
      beforeDay: 20,
      month: "2027-03",
      beforeMonth: 20,
    });
  });

  it("is not the earlier one for a request that comes late", async () => {
    const ada = await signUpAs("free");
    vi.setSystemTime("2027-01-01T00:00:00.000Z");
    await count(ada, 8);
    vi.setSystemTime("2026-12-31T23:59:59.000Z");
    expect(await count(ada, 3)).toMatchObject(refused);
    expect((await count(ada, 2)).body.quota).toEqual({ limit: 10, used: 10 });
    vi.setSystemTime("2027-01-01T00:00:01.000Z");
    expect(await count(ada, 1)).toMatchObject(refused);
  });

  it("has what the release before counts", async () => {
    const ada = await signUpAs("free");
    await countDirectly(ada, 50, { at: "2026-11-30T23:59:59Z" });
    await countDirectly(ada, 2, { at: "2026-12-01T00:00:00Z" });
    await countDirectly(ada, 5, { at: "2026-12-14T00:00:00Z" });
    expect((await count(ada, 3)).body).toEqual({
      metric: "exports",
      amount: 60,
      quota: { limit: 10, used: 10 },
    });
  });
});

describe("a counter from before migration 0060", () => {
  type Counter = {
    at: string | null;
    beforeDay: number;
    days?: [day: string, amount: number, total: number][];
  };
  it.each<[string, Counter, number]>([
    [
      "begins the month with what it has if it was last counted before it",
      { at: "2026-11-30", beforeDay: 40, days: [["2026-11-29", 40, 40]] },
      0,
    ],
    ["has used nothing if its last day is not known", { at: null, beforeDay: 0 }, 0],
    [
      "has used what is rolled up of the month, and what came since",
      {
        at: "2026-12-16",
        beforeDay: 55,
        days: [
          ["2025-01-01", 50, 50],
          ["2026-12-03", 2, 52],
          ["2026-12-15", 3, 55],
        ],
      },
      7,
    ],
    [
      "also if its days before are deleted",
      {
        at: "2026-12-16",
        beforeDay: 55,
        days: [
          ["2026-12-03", 2, 52],
          ["2026-12-15", 3, 55],
        ],
      },
      7,
    ],
    ["has used at least what came on its last day", { at: "2026-12-16", beforeDay: 53 }, 4],
    ["has used all of it if that was counted in the month", { at: "2026-12-16", beforeDay: 0 }, 57],
  ])("%s", async (_, { at, beforeDay, days = [] }, used) => {
    const ada = await signUpAs("enterprise");
    await count(ada, 57);
    await db.batch([
      db
        .prepare(
          `UPDATE usage_metrics SET day = ?2, before_day = ?3, month = NULL, before_month = NULL
           WHERE user_id = ?1 AND metric = 'exports'`,
        )
        .bind(ada.userId, at, at === null ? null : beforeDay),
      ...days.map((day) =>
        db
          .prepare("INSERT INTO usage_daily VALUES (?1, 'exports', ?2, ?3, ?4)")
          .bind(ada.userId, ...day),
      ),
    ]);
    const api = withQuotas("exports=0,0,100");
    const over = await count(ada, 101, { api });
    expect(over.body.detail).toContain(`. ${used} are used.`);
    // The first count keeps the month. It does not change what the roll-up reads.
    for (const n of [1, 2])
      expect((await count(ada, 1, { api })).body.quota).toEqual({ limit: 100, used: used + n });
    const isToday = at === "2026-12-16";
    expect(await stored(ada)).toEqual({
      amount: 59,
      day: "2026-12-16",
      beforeDay: isToday ? beforeDay : 57,
      month: "2026-12",
      beforeMonth: 57 - used,
    });
  });
});

describe("the tier of a quota", () => {
  it("is the user's at the count: a change up or down applies at once", async () => {
    const ada = await signUpAs("free");
    const change = (tier: string) => call("PATCH", `/api/users/${ada.userId}`, { tier });
    await count(ada, 10);
    expect(await count(ada, 1)).toMatchObject(refused);
    await change("pro");
    expect((await count(ada, 8)).body.quota).toEqual({ limit: 20, used: 18 });
    await change("enterprise");
    expect((await count(ada, 7)).body).toEqual({ metric: "exports", amount: 25 });
    await change("pro");
    expect((await count(ada, 1)).body.detail).toContain("tier pro has a quota of 20 exports");
    await change("free");
    expect((await count(ada, 1)).body.detail).toContain("25 are used");
  });

  it("is read from D1, also where an older one is cached", async () => {
    const ada = await signUpAs("free");
    expect((await limited("GET", `/api/users/${ada.userId}`)).body.user.tier).toBe("free");
    await db.prepare("UPDATE users SET tier = 'pro' WHERE user_id = ?").bind(ada.userId).run();
    expect((await limited("GET", `/api/users/${ada.userId}`)).body.user.tier).toBe("free");
    expect((await count(ada, 15)).body.quota).toEqual({ limit: 20, used: 15 });
  });

  it("is that of the trial, until it ends", async () => {
    vi.setSystemTime("2026-12-01T00:00:00Z");
    const ada = await signUpAs("pro");
    const subscription = await call("GET", `/api/users/${ada.userId}/subscription`);
    expect(subscription.body.status).toBe("trialing");
    expect((await count(ada, 9)).body.quota).toEqual({ limit: 20, used: 9 });
    vi.setSystemTime(Date.now() + 14 * DAY_MS);
    await runTask("end-trials");
    expect((await count(ada, 2)).body.detail).toContain("tier free has a quota of 10 exports");
  });
});

describe("a count under a quota", () => {
  it("is answered like the first under its key, also once the quota is used up", async () => {
    const ada = await signUpAs("free");
    const atOnce = await Promise.all(Array.from({ length: 8 }, () => count(ada, 6, { key: "k1" })));
    await count(ada, 4);
    const later = await count(ada, 6, { key: "k1" });
    expect(later.headers.get("Idempotency-Replayed")).toBe("true");
    for (const { status, body } of [...atOnce, later])
      expect({ status, body }).toEqual({
        status: 200,
        body: { metric: "exports", amount: 6, quota: { limit: 10, used: 6 } },
      });
    expect(await stored(ada)).toMatchObject({ amount: 10 });
    expect(await count(ada, 7, { key: "k1" })).toMatchObject({
      status: 422,
      body: { type: "urn:luna:problem:idempotency-key-reused" },
    });
  });

  it("leaves its key free if it is refused", async () => {
    const ada = await signUpAs("free");
    expect(await count(ada, 11, { key: "k2" })).toMatchObject(refused);
    expect((await count(ada, 10, { key: "k2" })).status).toBe(200);
  });

  it("is answered with its use after a lost reply of D1, with a key or without", async () => {
    const ada = await signUpAs("free");
    vi.spyOn(console, "error").mockReturnValue();
    const lossy = () => withQuotas("exports=10,20,0", { DB: losingCounts });
    expect((await count(ada, 4, { api: lossy() })).body).toEqual({
      metric: "exports",
      amount: 4,
      quota: { limit: 10, used: 4 },
    });
    expect((await count(ada, 5, { api: lossy(), key: "k3" })).body).toEqual({
      metric: "exports",
      amount: 9,
      quota: { limit: 10, used: 9 },
    });
    expect(await count(ada, 2, { api: lossy() })).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:unavailable" },
    });
    vi.restoreAllMocks();
    expect(await stored(ada)).toMatchObject({ amount: 9 });
  });
});

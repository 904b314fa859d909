import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, deadDatabase, rowsInAll, signUpAs, type TestUser } from "./support.ts";

const db = env.DB;
const add = (
  user: { userId: string },
  metric: string,
  amount: unknown,
  as?: TestUser,
  api: typeof call = call,
) => api("POST", `/api/users/${user.userId}/usage`, { metric, amount }, as);
const usageOf = async ({ userId }: TestUser) =>
  (await call("GET", `/api/users/${userId}/usage`)).body.usage;
const wrongState = { status: 409, body: { type: "urn:luna:problem:wrong-state" } };

describe("POST /api/users/:userId/usage", () => {
  it("adds to a counter for user and admin, and cached counters show it at once", async () => {
    const ada = await signUpAs("free");
    expect(await usageOf(ada)).toEqual({ apiRequests: 0, emailsSent: 0, storageBytes: 0 });
    expect((await add(ada, "apiRequests", 5, ada)).body).toEqual({
      metric: "apiRequests",
      amount: 5,
    });
    expect((await add(ada, "apiRequests", 2)).body).toEqual({ metric: "apiRequests", amount: 7 });
    expect((await add(ada, "renders", 1)).body).toEqual({ metric: "renders", amount: 1 });
    expect(await usageOf(ada)).toEqual({
      apiRequests: 7,
      emailsSent: 0,
      renders: 1,
      storageBytes: 0,
    });
    await eventually(async () =>
      expect(await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first("n")).toBe(0),
    );
  });

  it("loses none of fifty at once", async () => {
    const ada = await signUpAs("free");
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => add(ada, "apiRequests", n + 1)),
    );
    expect(await usageOf(ada)).toMatchObject({ apiRequests: 1_275 });
    // Each saw a sum of its own.
    expect(new Set(answers.map(({ body }) => body.amount)).size).toBe(50);
  });

  it.each([
    ["amount", "apiRequests", 0],
    ["amount", "apiRequests", 1.5],
    ["amount", "apiRequests", 1_000_000_001],
    ["amount", "apiRequests", "1"],
    ["metric", "1st", 1],
    ["metric", "no spaces", 1],
  ])("refuses a bad %s: %s, %s", async (field, metric, amount) => {
    const ada = await signUpAs("free");
    const refused = await add(ada, metric, amount);
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].path).toBe(field);
  });

  it("keeps a counter exact: a sum that is too large is refused and changes nothing", async () => {
    const ada = await signUpAs("free");
    const most = Number.MAX_SAFE_INTEGER;
    await db
      .prepare("UPDATE usage_metrics SET amount = ?2 WHERE user_id = ?1 AND metric = 'apiRequests'")
      .bind(ada.userId, most - 3)
      .run();
    expect(await add(ada, "apiRequests", 4)).toMatchObject(wrongState);
    expect((await add(ada, "apiRequests", 3)).body.amount).toBe(most);
    expect(await add(ada, "apiRequests", 1)).toMatchObject(wrongState);
    expect(await usageOf(ada)).toMatchObject({ apiRequests: most });
  });

  it("allows a user 100 metrics, also concurrently, and counts existing ones", async () => {
    const ada = await signUpAs("free");
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 95)
         INSERT INTO usage_metrics SELECT ?1, 'm' || i, 0, 0 FROM n`,
      )
      .bind(ada.userId)
      .run();
    const answers = await Promise.all(Array.from({ length: 9 }, (_, n) => add(ada, `new${n}`, 1)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([
      200, 200, 409, 409, 409, 409, 409, 409, 409,
    ]);
    expect(Object.keys(await usageOf(ada))).toHaveLength(100);
    expect((await add(ada, "m1", 1)).status).toBe(200);
  });

  it("counts once after a lost reply of D1; with a silent D1 the outcome is unknown", async () => {
    const ada = await signUpAs("free");
    const lossy = callWith({ DB: losingReplies(db) });
    expect((await add(ada, "apiRequests", 5, undefined, lossy)).body).toEqual({
      metric: "apiRequests",
      amount: 5,
    });
    const failing = {
      prepare: (sql: string) => db.prepare(sql),
      batch: () => Promise.reject(new Error("D1_ERROR: Network connection lost.")),
    };
    const dead = callWith({ DB: failing as unknown as D1Database });
    expect(await add(ada, "apiRequests", 5, undefined, dead)).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:unavailable" },
    });
    const silent = await add(ada, "apiRequests", 5, undefined, callWith({ DB: deadDatabase }));
    expect(silent).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:outcome-unknown" },
    });
    expect(
      await db
        .prepare("SELECT amount FROM usage_metrics WHERE user_id = ? AND metric = 'apiRequests'")
        .bind(ada.userId)
        .first("amount"),
    ).toBe(5);
  });

  it("reports an unknown outcome if a sweep may have taken the proof of the count", async () => {
    const ada = await signUpAs("free");
    const late = {
      prepare: (sql: string) => db.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        const results = await db.batch(statements);
        if (results.length < 3) return results;
        await db.prepare("DELETE FROM purge_intents").run();
        vi.spyOn(Date, "now").mockReturnValue(Date.now() + 11_000);
        throw new Error("D1_ERROR: Network connection lost.");
      },
    };
    const unsure = await add(
      ada,
      "apiRequests",
      5,
      undefined,
      callWith({ DB: late as unknown as D1Database }),
    );
    vi.restoreAllMocks();
    expect(unsure).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:outcome-unknown" },
    });
    expect(await usageOf(ada)).toMatchObject({ apiRequests: 5 });
  });

  it("counts nothing of users that there are not, or not any more", async () => {
    const gone = await signUpAs("free");
    await call("DELETE", `/api/users/${gone.userId}`);
    const before = await rowsInAll();
    for (const userId of ["never-was", gone.userId])
      expect((await add({ userId }, "apiRequests", 1)).status).toBe(404);
    expect(await rowsInAll()).toEqual(before);
  });
});

describe("GET /api/users/:userId/usage/history", () => {
  it("shows the usage by day or month, newest first, of one metric or all", async () => {
    const ada = await signUpAs("free");
    const day = (metric: string, at: string, amount: number) =>
      db
        .prepare("INSERT INTO usage_daily VALUES (?1, ?2, ?3, ?4, 0)")
        .bind(ada.userId, metric, at, amount);
    const month = (metric: string, at: string, amount: number) =>
      db
        .prepare("INSERT INTO usage_monthly VALUES (?1, ?2, ?3, ?4)")
        .bind(ada.userId, metric, at, amount);
    await db.batch([
      day("renders", "2026-11-23", 1),
      day("renders", "2026-11-24", 2),
      day("apiRequests", "2026-11-24", 3),
      month("renders", "2026-09", 10),
      month("renders", "2026-10", 20),
      db.prepare("INSERT INTO usage_daily VALUES ('somebody-else', 'renders', '2026-11-24', 9, 9)"),
    ]);
    const history = async (query: string) =>
      (await call("GET", `/api/users/${ada.userId}/usage/history${query}`, undefined, ada)).body
        .items;
    expect(await history("")).toEqual([
      { metric: "apiRequests", period: "2026-11-24", amount: 3 },
      { metric: "renders", period: "2026-11-24", amount: 2 },
      { metric: "renders", period: "2026-11-23", amount: 1 },
    ]);
    expect(await history("?metric=renders&limit=1")).toEqual([
      { metric: "renders", period: "2026-11-24", amount: 2 },
    ]);
    expect(await history("?by=month")).toEqual([
      { metric: "renders", period: "2026-10", amount: 20 },
      { metric: "renders", period: "2026-09", amount: 10 },
    ]);
    expect((await call("GET", `/api/users/${ada.userId}/usage/history?by=year`)).status).toBe(422);
    expect((await call("GET", "/api/users/never-was/usage/history")).status).toBe(404);
  });
});

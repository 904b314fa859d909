import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { isWrite } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { ask } from "../support/produce.ts";
import { call, callWith, deadDatabase, rowsInAll, signUpAs, type TestUser } from "./support.ts";

const db = env.DB;
const addBy =
  (api: typeof call) =>
  (user: { userId: string }, metric: string, amount: unknown, as?: TestUser) =>
    api("POST", `/api/users/${user.userId}/usage`, { metric, amount }, as);
const add = addBy(call);
const usageOf = async ({ userId }: TestUser) =>
  (await call("GET", `/api/users/${userId}/usage`)).body.usage;
const wrongState = { status: 409, body: { type: "urn:luna:problem:wrong-state" } };

describe("POST /api/users/:userId/usage", () => {
  it("adds to a counter for user and admin, and cached counters show it at once", async () => {
    const ada = await signUpAs("free");
    expect(await usageOf(ada)).toEqual({ emailsSent: 0 });
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
    });
    await eventually(async () =>
      expect(await db.prepare("SELECT COUNT(*) AS n FROM purge_intents").first("n")).toBe(0),
    );
  });

  it.each(["constructor", "prototype", "toString", "hasOwnProperty"])(
    "shows a metric of any name, cached or not, and exports it: %s",
    async (metric) => {
      const ada = await signUpAs("free");
      expect((await add(ada, metric, 7)).body).toEqual({ metric, amount: 7 });
      const shown = { emailsSent: 0, [metric]: 7 };
      expect(await usageOf(ada)).toEqual(shown);
      expect(await usageOf(ada)).toEqual(shown);
      const { body } = await call("GET", `/api/users/${ada.userId}/export`);
      expect(body.usage).toEqual(shown);
    },
  );

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
      .prepare(
        `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
         VALUES (?1, 'apiRequests', ?2, 0)`,
      )
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
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 97)
         INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
         SELECT ?1, 'm' || i, 0, 0 FROM n`,
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
    expect((await addBy(lossy)(ada, "apiRequests", 5)).body).toEqual({
      metric: "apiRequests",
      amount: 5,
    });
    const failing = {
      prepare: (sql: string) => db.prepare(sql),
      batch: () => Promise.reject(new Error("D1_ERROR: Network connection lost.")),
    };
    const dead = callWith({ DB: failing as unknown as D1Database });
    expect(await addBy(dead)(ada, "apiRequests", 5)).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:unavailable" },
    });
    const silent = await addBy(callWith({ DB: deadDatabase }))(ada, "apiRequests", 5);
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
    const unsure = await addBy(callWith({ DB: late as unknown as D1Database }))(
      ada,
      "apiRequests",
      5,
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

describe("an Idempotency-Key on a count of usage", () => {
  let keys = 0;
  const newKey = () => `count-${(keys += 1)}`;
  type By = { api?: typeof call; token?: string };
  const addUnder = (key: string, user: TestUser, amount: number, { api = call, token }: By = {}) =>
    api(
      "POST",
      `/api/users/${user.userId}/usage`,
      { metric: "calls", amount },
      { headers: { "Idempotency-Key": key }, ...(token !== undefined && { token }) },
    );

  it("counts once for any number of repeats, at once or later, with the first answer", async () => {
    const [ada, key] = [await signUpAs("free"), newKey()];
    const atOnce = await Promise.all(
      Array.from({ length: 8 }, () => addUnder(key, ada, 5, { token: ada.token })),
    );
    await add(ada, "calls", 1);
    const later = await addUnder(key, ada, 5, { token: ada.token });
    for (const { status, body } of [...atOnce, later])
      expect({ status, body }).toEqual({ status: 200, body: { metric: "calls", amount: 5 } });
    const replayed = [...atOnce, later].filter(
      ({ headers }) => headers.get("Idempotency-Replayed") === "true",
    );
    expect(replayed).toHaveLength(8);
    expect(await usageOf(ada)).toMatchObject({ calls: 6 });
  });

  it("with another body, metric or user is refused, and counts nothing", async () => {
    const [ada, bob, key] = [await signUpAs("free"), await signUpAs("free"), newKey()];
    await addUnder(key, ada, 5);
    const reused = { status: 422, body: { type: "urn:luna:problem:idempotency-key-reused" } };
    expect(await addUnder(key, ada, 6)).toMatchObject(reused);
    expect(await addUnder(key, bob, 5), "by the same caller").toMatchObject(reused);
    expect((await addUnder(key, bob, 5, { token: bob.token })).status, "another caller").toBe(200);
    expect(await usageOf(ada)).toMatchObject({ calls: 5 });
  });

  it("is free again after a refusal, and after 24 hours", async () => {
    const [ada, key] = [await signUpAs("free"), newKey()];
    expect((await addUnder(key, ada, 0)).status).toBe(422);
    expect((await addUnder(key, { ...ada, userId: "nobody" }, 1)).status).toBe(404);
    expect((await addUnder(key, ada, 1)).status).toBe(200);
    const { expiresAt } = (await db
      .prepare("SELECT expires_at AS expiresAt FROM answered_requests WHERE key = ?")
      .bind(key)
      .first<{ expiresAt: number }>()) ?? { expiresAt: 0 };
    expect(expiresAt - Date.now()).toBeGreaterThan(86_000_000);
    await db.prepare("UPDATE answered_requests SET expires_at = 1 WHERE key = ?").bind(key).run();
    expect((await addUnder(key, ada, 2)).body).toEqual({ metric: "calls", amount: 3 });
  });

  it("makes a repeat safe after a lost reply, whether or not it had counted", async () => {
    const [ada, key] = [await signUpAs("free"), newKey()];
    vi.spyOn(console, "error").mockReturnValue();
    const lossy = callWith({ DB: losingReplies(db) });
    const first = await addUnder(key, ada, 5, { api: lossy });
    expect(first).toMatchObject({ status: 200, body: { amount: 5 } });
    expect(first.headers.get("Idempotency-Replayed"), "it was no repeat").toBeNull();
    const silent = callWith({ DB: deadDatabase });
    expect((await addUnder(newKey(), ada, 5, { api: silent })).status).toBe(503);
    expect((await addUnder(key, ada, 5)).headers.get("Idempotency-Replayed")).toBe("true");
    vi.restoreAllMocks();
    expect(await usageOf(ada)).toMatchObject({ calls: 5 });
  });
});

describe("a write that takes no Idempotency-Key", () => {
  const ignoring = operations.filter((one) => isWrite(one) && one.idempotent !== true);

  it.each(ignoring.map(({ id }) => id))("refuses it by name: %s", async (id) => {
    const operation = ignoring.find((one) => one.id === id);
    if (operation === undefined) throw new Error("no such operation");
    const { path, body, token, headers } = await ask(
      operation,
      Number(Object.keys(operation.answers)[0]),
    );
    const before = await rowsInAll();
    const refused = await call(operation.method, path, body, {
      ...(token !== undefined && { token }),
      headers: { ...headers, "Idempotency-Key": "once" },
    });
    expect(refused).toMatchObject({
      status: 422,
      body: {
        errors: [{ path: "Idempotency-Key", message: "is not supported by this operation" }],
      },
    });
    expect(await rowsInAll()).toEqual(before);
  });
});

describe("the counters that Luna once created and nothing counts", () => {
  it("are not shown at zero, and stay once a product counts them", async () => {
    const ada = await signUpAs("free");
    const zero = (metric: string) =>
      db
        .prepare(
          "INSERT INTO usage_metrics (user_id, metric, amount, updated_at) VALUES (?1, ?2, 0, 0)",
        )
        .bind(ada.userId, metric);
    await db.batch([zero("apiRequests"), zero("storageBytes")]);
    expect(await usageOf(ada)).toEqual({ emailsSent: 0 });
    await add(ada, "storageBytes", 7);
    expect(await usageOf(ada)).toEqual({ emailsSent: 0, storageBytes: 7 });
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

  it("pages through all rows, each once, by day and by month", async () => {
    const ada = await signUpAs("free");
    const metrics = ["a", "b.c", "constructor", "d-e"];
    const insert = (sql: string, period: string) =>
      metrics.map((metric) => db.prepare(sql).bind(ada.userId, metric, period, 1));
    const days = Array.from({ length: 11 }, (_, n) => `2026-10-${10 + n}`);
    const months = Array.from({ length: 11 }, (_, n) => `2025-${String(n + 1).padStart(2, "0")}`);
    await db.batch([
      ...days.flatMap((day) => insert("INSERT INTO usage_daily VALUES (?1, ?2, ?3, ?4, 0)", day)),
      ...months.flatMap((month) =>
        insert("INSERT INTO usage_monthly VALUES (?1, ?2, ?3, ?4)", month),
      ),
    ]);
    const path = `/api/users/${ada.userId}/usage/history`;
    for (const [by, periods] of [
      ["day", days],
      ["month", months],
    ] as const) {
      const seen: string[] = [];
      let next: string | undefined = "";
      while (next !== undefined) {
        const cursor: string = next === "" ? "" : `&cursor=${encodeURIComponent(next)}`;
        const { status, body } = await call("GET", `${path}?by=${by}&limit=3${cursor}`);
        expect(status).toBe(200);
        expect(body.items.length).toBeLessThanOrEqual(3);
        const items = body.items as { metric: string; period: string }[];
        seen.push(...items.map(({ period, metric }) => `${period} ${metric}`));
        next = body.nextCursor as string | undefined;
      }
      expect(seen).toEqual(
        periods.toReversed().flatMap((period) => metrics.map((metric) => `${period} ${metric}`)),
      );
      const only = await call("GET", `${path}?by=${by}&metric=a&limit=2&cursor=${periods[5]}~a`);
      expect(only.body.items).toMatchObject([{ period: periods[4] }, { period: periods[3] }]);
    }
    for (const cursor of ["x", "2026-10~a", "2026-10-10", "2026-10-10~", "2026-10-10~%20"])
      expect(await call("GET", `${path}?by=day&cursor=${cursor}`)).toMatchObject({
        status: 422,
        body: { errors: [{ path: "cursor", message: "is not a cursor of this list" }] },
      });
  });
});

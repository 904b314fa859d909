import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { brokenBreakers } from "../support/isolates.ts";
import { call, callWith, deadDatabase, freshBreakers } from "./support.ts";

const path = "/api/admin/circuit-breakers";
const names = [
  "database",
  "email:smtp",
  "email:cloudflare",
  "email:resend",
  "email:ses",
  "cache",
  "alerts:webhook",
];

const isUsed = (name: string): boolean => ["database", "email:smtp", "cache"].includes(name);

/** A caller with breakers of its own. */
const admin = () => {
  const binding = freshBreakers();
  return { binding, call: callWith({ CIRCUIT_BREAKER: binding }) };
};

describe("GET /api/admin/circuit-breakers", () => {
  it("shows every breaker as its object has it", async () => {
    const { status, body } = await admin().call("GET", path);
    expect(status).toBe(200);
    expect(body.items).toEqual(
      names.map((name) => ({
        name,
        state: "CLOSED",
        override: "none",
        epoch: 1,
        failures: 0,
        calls: 0,
        retryAfterMs: 0,
        windowSeconds: 60,
        used: isUsed(name),
      })),
    );
  });

  it("shows since when a breaker is not closed and why, and which transports are used", async () => {
    const binding = freshBreakers();
    const stub = binding.getByName("email:resend");
    const lastError = "connect: connect ECONNREFUSED 127.0.0.1:9";
    await stub.sync({ report: { epoch: 1, failures: 5, calls: 5, lastError } });
    const { body } = await callWith({
      CIRCUIT_BREAKER: binding,
      EMAIL_TRANSPORTS: "resend",
      ALERT_WEBHOOK_URL: "https://hooks.example.com/luna",
    })("GET", path);
    const byName = new Map(body.items.map((item: { name: string }) => [item.name, item]));
    expect(byName.get("email:resend")).toMatchObject({
      state: "OPEN",
      used: true,
      outage: {
        since: expect.stringMatching(/^\d{4}-/),
        reason: `5 of 5 calls failed: ${lastError}`,
      },
    });
    expect(byName.get("email:smtp")).toMatchObject({ used: false });
    expect(byName.get("alerts:webhook")).toMatchObject({ used: true });
    expect(byName.get("cache")).not.toHaveProperty("outage");
  });

  it("shows the share of the calls that runs after a successful probe, and held and slow calls", async () => {
    const binding = freshBreakers();
    const stub = binding.getByName("cache");
    const own = callWith({ CIRCUIT_BREAKER: binding });
    const shown = async () => (await own("GET", `${path}/cache`)).body;
    const start = Date.now();
    const at = async (second: number): Promise<void> =>
      await runInDurableObject(stub, (object) => {
        object.clock = () => start + second * 1_000;
      });
    for (let second = 0; second < 60; second += 1) {
      await at(second);
      await stub.sync({ report: { epoch: 1, failures: 0, calls: 100 } });
    }
    await stub.sync({ report: { epoch: 1, failures: 0, calls: 3, slow: 3, held: 2 } });
    expect(await shown()).toMatchObject({ state: "CLOSED", slowCalls: 3, heldCalls: 2 });
    await stub.sync({ report: { epoch: 1, failures: 9_000, calls: 9_000 } });
    await at(100);
    await stub.sync({ acquire: { id: "p", lastsMs: 10_000, cold: false } });
    await stub.endProbe({ permitId: "p", outcome: "success" });
    expect(await shown()).toMatchObject({ state: "HALF_OPEN", rampShare: 0.125 });
  });

  it("shows a breaker as unreachable if its object is down, and hides no other", async () => {
    const { body } = await callWith({
      CIRCUIT_BREAKER: brokenBreakers("throws", env.CIRCUIT_BREAKER).binding,
    })("GET", path);
    expect(body.items).toEqual(
      names.map((name) => ({ name, state: "UNREACHABLE", used: isUsed(name) })),
    );
  });

  it.each<readonly [string, string]>([
    ["GET", path],
    ["GET", `${path}/database/history`],
    ...["reset", "open", "close", "disable", "enable"].map(
      (command) => ["POST", `${path}/database/${command}`] as const,
    ),
  ])("is for the admin alone: %s %s", async (method, at) => {
    const { body } = await call("POST", "/api/users", {
      userId: `user-${crypto.randomUUID()}`,
      email: `${crypto.randomUUID()}@example.com`,
    });
    expect((await call(method, at, undefined, { token: null })).status).toBe(401);
    expect((await call(method, at, undefined, { token: body.apiKey })).status).toBe(403);
  });
});

describe("an operator's command over HTTP", () => {
  it.each([
    ["open", { state: "OPEN", override: "forced-open" }],
    ["close", { state: "CLOSED", override: "forced-closed" }],
    ["disable", { state: "CLOSED", override: "disabled" }],
    ["enable", { state: "CLOSED", override: "none" }],
    ["reset", { state: "CLOSED", override: "none" }],
  ])(
    "takes effect, survives an eviction and is in the history with actor and reason: %s",
    async (command, expected) => {
      const operator = admin();
      const done = await operator.call("POST", `${path}/email:smtp/${command}`, {
        reason: "  provider maintenance ",
      });
      const lastTransition = {
        id: 1,
        at: expect.stringMatching(/^\d{4}-/),
        from: "CLOSED",
        to: expected.state,
        epoch: 2,
        cause: command,
        actor: expect.stringMatching(/^admin:[0-9a-f]{8}$/),
        reason: "provider maintenance",
      };
      expect(done).toMatchObject({
        status: 200,
        body: { name: "email:smtp", ...expected, lastTransition },
      });
      await evictDurableObject(operator.binding.getByName("email:smtp"));
      expect((await operator.call("GET", path)).body.items[1]).toEqual({
        ...done.body,
        used: true,
      });
      expect((await operator.call("GET", `${path}/email%3Asmtp/history`)).body).toEqual({
        items: [lastTransition],
      });
    },
  );

  it("forces open until a time", async () => {
    const until = new Date(Date.now() + 600_000).toISOString();
    const { body } = await admin().call("POST", `${path}/database/open`, {
      reason: "maintenance",
      until,
    });
    expect(body).toMatchObject({ state: "OPEN", override: "forced-open" });
    expect(body.retryAfterMs).toBeGreaterThan(590_000);
    expect(body.retryAfterMs).toBeLessThanOrEqual(600_000);
  });

  it.each<[string, string, unknown, string]>([
    ["no reason", "reset", {}, "reason"],
    ["an empty reason", "close", { reason: " " }, "reason"],
    ["a reason of 501 characters", "disable", { reason: "x".repeat(501) }, "reason"],
    ["an unknown field", "enable", { reason: "x", force: true }, "force"],
    ["a time that is none", "open", { reason: "x", until: "tomorrow" }, "until"],
    [
      "a day that is none",
      "open",
      { reason: "x", until: `${new Date().getUTCFullYear() + 1}-02-30T00:00:00Z` },
      "until",
    ],
    ["a month that is none", "open", { reason: "x", until: "2026-99-01T00:00:00Z" }, "until"],
    ["a time in the past", "open", { reason: "x", until: "2020-01-01T00:00:00Z" }, "until"],
    [
      "a time in a year",
      "open",
      { reason: "x", until: new Date(Date.now() + 31_536_000_000).toISOString() },
      "until",
    ],
    ["a time where none belongs", "close", { reason: "x", until: "2099-01-01T00:00:00Z" }, "until"],
  ])(
    "that is not valid is refused by the name of its field, and changes nothing: %s",
    async (_, command, body, field) => {
      const operator = admin();
      const refused = await operator.call("POST", `${path}/database/${command}`, body);
      expect(refused).toMatchObject({ status: 422, body: { type: "urn:luna:problem:invalid" } });
      expect(refused.body.errors.map((error: { path: string }) => error.path)).toContain(field);
      expect((await operator.call("GET", `${path}/database/history`)).body).toEqual({ items: [] });
    },
  );

  it("is a 404 for a breaker that is none, and a 405 for another method", async () => {
    expect((await call("POST", `${path}/no-such/reset`, { reason: "x" })).status).toBe(404);
    expect((await call("GET", `${path}/no-such/history`)).status).toBe(404);
    expect((await call("DELETE", `${path}/database/reset`)).headers.get("Allow")).toBe("POST");
  });

  it("whose reply does not come is answered outcome-unknown", async () => {
    const real = freshBreakers();
    const silent = (name: string) => ({
      reset: async (by: Parameters<ReturnType<typeof real.getByName>["reset"]>[0]) => {
        await real.getByName(name).reset(by);
        return await new Promise(() => undefined);
      },
    });
    const binding = { getByName: silent } as unknown as typeof real;
    const refused = await callWith({ CIRCUIT_BREAKER: binding })("POST", `${path}/database/reset`, {
      reason: "x",
    });
    expect(refused).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:outcome-unknown" },
    });
    expect(refused.body.detail).not.toContain("Nothing was written");
    expect(await real.getByName("database").inspect()).toMatchObject({ epoch: 2 });
  });

  it("is unavailable while the object does not answer", async () => {
    const { binding } = brokenBreakers("throws", env.CIRCUIT_BREAKER);
    const refused = await callWith({ CIRCUIT_BREAKER: binding })("GET", `${path}/database/history`);
    expect(refused).toMatchObject({ status: 503, body: { type: "urn:luna:problem:unavailable" } });
  });

  it("pages its history, newest first", async () => {
    const operator = admin();
    for (const reason of ["one", "two", "three"])
      await operator.call("POST", `${path}/database/reset`, { reason });
    const first = await operator.call("GET", `${path}/database/history?limit=2`);
    expect(first.body.items.map((item: { reason: string }) => item.reason)).toEqual([
      "three",
      "two",
    ]);
    const second = await operator.call(
      "GET",
      `${path}/database/history?limit=2&cursor=${first.body.nextCursor}`,
    );
    expect(second.body.items.map((item: { reason: string }) => item.reason)).toEqual(["one"]);
    expect(second.body).not.toHaveProperty("nextCursor");
    // What an object has dropped of its history is not promised as a further page.
    const all = await operator.call("GET", `${path}/database/history?limit=3`);
    expect(all.body).not.toHaveProperty("nextCursor");
    expect(
      (await operator.call("GET", `${path}/database/history?limit=0`)).body.errors,
    ).toMatchObject([{ path: "limit" }]);
    expect(
      (await operator.call("GET", `${path}/database/history?cursor=x`)).body.errors,
    ).toMatchObject([{ path: "cursor" }]);
  });
});

describe("reads of the database", () => {
  /** A D1 that counts what it is asked, and answers or does not. */
  const countingDatabase = () => {
    const database = { down: true, asked: 0 };
    const prepare = (sql: string): D1PreparedStatement => {
      database.asked += 1;
      return (database.down ? deadDatabase : env.DB).prepare(sql);
    };
    return Object.assign(database, {
      binding: { prepare, batch: env.DB.batch.bind(env.DB) } as unknown as D1Database,
    });
  };

  it("open the breaker when D1 fails; calls are then rejected at once until a reset", async () => {
    const binding = freshBreakers();
    const database = countingDatabase();
    const api = callWith({ DB: database.binding, CIRCUIT_BREAKER: binding });
    let reader = 0;
    await eventually(async () => {
      // Another user each time: for one whose read has just failed D1 is not asked anyway.
      const refused = await api("GET", `/api/users/ada-${(reader += 1)}`);
      expect(refused).toMatchObject({
        status: 503,
        body: { type: "urn:luna:problem:circuit-open" },
      });
      const retryAfter = Number(refused.headers.get("Retry-After"));
      expect(retryAfter).toBeGreaterThanOrEqual(1);
      expect(retryAfter).toBeLessThanOrEqual(31);
    });
    const { asked } = database;
    for (let n = 0; n < 20; n += 1)
      expect((await api("GET", `/api/users/eve-${n}`)).status).toBe(503);
    expect(database.asked).toBe(asked);

    database.down = false;
    await api("POST", `${path}/database/reset`, { reason: "D1 is back" });
    await eventually(async () => expect((await api("GET", "/api/users/ada")).status).toBe(404));
    const { items } = (await api("GET", `${path}/database/history`)).body;
    expect(items.map((item: { cause: string }) => item.cause)).toEqual(["reset", "threshold"]);
  });

  it("are refused while the breaker is open, and writes are still tried", async () => {
    const { call: api } = admin();
    const refused = { status: 503, body: { type: "urn:luna:problem:circuit-open" } };
    await api("POST", `${path}/database/open`, { reason: "maintenance" });
    let reader = 0;
    // An isolate's first read does not wait for the breaker.
    await eventually(async () =>
      expect(await api("GET", `/api/users/bob-${(reader += 1)}`)).toMatchObject(refused),
    );
    const user = { userId: "written-while-open", email: "written-while-open@example.com" };
    expect((await api("POST", "/api/users", user)).status).toBe(201);
    expect(await api("GET", `/api/users/${user.userId}`)).toMatchObject(refused);
    expect(
      (await call("GET", `/api/users/${user.userId}`)).body.user,
      "and it stands",
    ).toMatchObject(user);
  });

  it("never count what the caller did wrong", async () => {
    const api = admin();
    for (let n = 0; n < 20; n += 1)
      expect((await api.call("GET", "/api/users/nobody")).status).toBe(404);
    expect((await api.call("GET", path)).body.items[0]).toMatchObject({
      state: "CLOSED",
      failures: 0,
    });
  });

  it.each(["throws", "hangs"] as const)(
    "are answered although the breaker's object %s",
    async (how) => {
      const { binding } = brokenBreakers(how, env.CIRCUIT_BREAKER);
      const api = callWith({ CIRCUIT_BREAKER: binding });
      for (let n = 0; n < 10; n += 1)
        expect((await api("GET", "/api/users/nobody")).status).toBe(404);
    },
  );

  it("are tried again after a failure that passes", async () => {
    let asked = 0;
    const flaky = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        asked += 1;
        return await (asked < 3 ? deadDatabase : env.DB).batch(statements);
      },
    } as unknown as D1Database;
    expect((await callWith({ DB: flaky })("GET", "/api/users/nobody")).status).toBe(404);
    expect(asked).toBe(3);
  });
});

describe("GET /health", () => {
  it("is degraded while a breaker is not closed, and names its state", async () => {
    const operator = admin();
    expect((await operator.call("GET", "/health")).body).toMatchObject({
      status: "ok",
      checks: {
        breakers: {
          status: "ok",
          states: Object.fromEntries(names.map((name) => [name, "CLOSED"])),
          unreachable: [],
        },
      },
    });
    const stranger = admin();
    await stranger.call("POST", `${path}/email:smtp/open`, { reason: "maintenance" });
    expect(await stranger.call("GET", "/health")).toMatchObject({
      status: 200,
      body: {
        status: "degraded",
        checks: { breakers: { status: "degraded", states: { "email:smtp": "OPEN" } } },
      },
    });
  });

  it("is degraded, and does not wait, while a breaker cannot be reached", async () => {
    const { binding } = brokenBreakers("throws", env.CIRCUIT_BREAKER);
    expect((await callWith({ CIRCUIT_BREAKER: binding })("GET", "/health")).body).toMatchObject({
      status: "degraded",
      checks: { breakers: { unreachable: names } },
    });
  });

  it("reports the database as down within two seconds if it does not answer", async () => {
    const never = () => new Promise(() => undefined);
    const statement = { bind: () => statement, first: never, all: never, run: never };
    const api = callWith({
      DB: { prepare: () => statement, batch: never } as unknown as D1Database,
    });
    expect(await api("GET", "/health")).toMatchObject({ status: 503, body: { status: "down" } });
  });

  it("checks the database itself, past its breaker", async () => {
    const operator = admin();
    await operator.call("POST", `${path}/database/open`, { reason: "maintenance" });
    expect((await operator.call("GET", "/health")).body.checks.database).toMatchObject({
      status: "ok",
    });
  });
});

import { describe, expect, it } from "vitest";
import type { CircuitBreaker } from "../../workers/api/index.ts";
import { useStack } from "../stack/support.ts";
import { eventually } from "../support/eventually.ts";

/**
 * The promises that the running Luna keeps, asked over HTTP: its three Workers in one runtime,
 * started once.
 */

const stack = useStack({}, [], "file");
const { call } = stack;

const run = async (sql: string): Promise<void> =>
  void (await (await stack.db()).prepare(sql).run());
const count = async (sql: string): Promise<number | null> =>
  await (await stack.db()).prepare(sql).first<number>("n");
const userOf = async (userId: string) =>
  (await call("POST", "/api/users", { userId, email: `${userId}@example.com` })).body;
const reads = ["", "/permissions", "/subscription", "/usage", "/teams", "/workspaces"];

/** Does something while a table is gone. */
async function without<Value>(table: string, act: () => Promise<Value>): Promise<Value> {
  await run(`ALTER TABLE ${table} RENAME TO gone`);
  try {
    return await act();
  } finally {
    await run(`ALTER TABLE gone RENAME TO ${table}`);
  }
}

describe("the cache", () => {
  it("answers GET /api/cache/metrics with circuitBreakerState, circuitBreakerFailures and hitRate as a percentage", async () => {
    const { status, body } = await call("GET", "/api/cache/metrics");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      circuitBreakerState: "CLOSED",
      circuitBreakerFailures: 0,
      hitRate: expect.stringMatching(/^\d+(\.\d+)?%$/),
    });
    for (const name of ["hits", "misses", "errors", "fallbacks"])
      expect(body, name).toHaveProperty(name, expect.any(Number));
  });

  it("has a circuit breaker that POST /api/admin/cache/reset-circuit-breaker closes", async () => {
    await call("POST", "/api/admin/circuit-breakers/cache/open", { reason: "a test" });
    expect((await call("GET", "/api/cache/metrics")).body.circuitBreakerState).toBe("OPEN");
    expect(
      (await call("POST", "/api/admin/cache/reset-circuit-breaker", { reason: "a test" })).status,
    ).toBe(200);
    expect((await call("GET", "/api/cache/metrics")).body.circuitBreakerState).toBe("CLOSED");
  });

  it("has a circuit breaker that operators command by Durable Object RPC, from another Worker", async () => {
    type Consumer = { CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker> };
    const { CIRCUIT_BREAKER } = await stack.server.getWorker<Consumer>("luna-consumer").getEnv();
    const breaker = CIRCUIT_BREAKER.getByName("cache");
    const by = { actor: "ada", reason: "maintenance" };
    const state = async () => (await call("GET", "/api/cache/metrics")).body.circuitBreakerState;

    expect(await breaker.forceOpen(by)).toMatchObject({ ok: true, value: { state: "OPEN" } });
    expect(await state()).toBe("OPEN");
    expect(await breaker.reset(by)).toMatchObject({ ok: true, value: { state: "CLOSED" } });
    expect(await state()).toBe("CLOSED");
    expect(await breaker.history({ limit: 1 })).toMatchObject({ ok: true, value: [by] });
    expect(await breaker.reset({ actor: "", reason: "none" })).toMatchObject({
      ok: false,
      error: { errors: [{ path: "actor" }] },
    });
    expect(await breaker.inspect()).toMatchObject({ state: "CLOSED" });
  });

  it("answers from D1 when its entry is corrupt, and cleans that entry up", async () => {
    await userOf("corrupt");
    const { CACHE } = await stack.server.getWorker<{ CACHE: KVNamespace }>("luna-api").getEnv();
    await CACHE.put("user:corrupt", "{ no JSON");
    expect(await call("GET", "/api/users/corrupt")).toMatchObject({
      status: 200,
      body: { user: { userId: "corrupt" } },
    });
    await eventually(async () => expect(await CACHE.get("user:corrupt")).not.toBe("{ no JSON"));
  });
});

describe("a purge", () => {
  const isHit = ({ headers }: { headers: { get(name: string): string | null } }) =>
    /hit/.test(headers.get("Cache-Status") ?? "");
  const purge = async (selector: object) =>
    await call("POST", "/api/admin/cache/invalidate", selector);
  /** A user, and the reads of the eight keys. */
  const readsOf = async (userId: string) => {
    const { apiKey } = await userOf(userId);
    const path = `/api/users/${userId}`;
    return [
      ...reads.map((read) => () => call("GET", `${path}${read}`)),
      () => call("GET", `/api/users?email=${userId}@example.com`),
      () => call("GET", "/api/me", undefined, { token: apiKey }),
    ];
  };

  it("of a user reaches all eight keys", async () => {
    const all = await readsOf("purged");
    for (const read of all) await read();
    let before = 0;
    for (const read of all) if (isHit(await read())) before += 1;
    expect(before).toBeGreaterThanOrEqual(7);
    // A load may bring other keys along, so each one is read right after a purge.
    for (const read of all) {
      expect(await purge({ userId: "purged" })).toMatchObject({ status: 200, body: { failed: 0 } });
      expect(isHit(await read())).toBe(false);
    }
  });

  it.each([
    ["a tag", { tags: ["user:p1"] }, "p1"],
    ["several keys", { keys: ["user:p2", "user:p2:usage"] }, "p2"],
    ["a pattern", { pattern: "user:p3:*" }, "p3"],
  ])("by %s reports what it did and what failed, key by key", async (_, selector, userId) => {
    for (const read of await readsOf(userId)) await read();
    const purged = await purge(selector);
    expect(purged).toMatchObject({
      status: 200,
      body: { failed: 0, failures: [], invalidated: expect.any(Number), keys: expect.any(Array) },
    });
    expect(purged.body.invalidated).toBeGreaterThan(0);
  });

  it("goes by an index of tags that is cleaned up by itself: an entry that is gone is not in it", async () => {
    await userOf("indexed");
    await call("GET", "/api/users/indexed");
    const members = async () =>
      (await call("GET", "/api/admin/cache/tags/user:indexed")).body.members as unknown[];
    await eventually(async () => expect(await members()).not.toEqual([]));
    await call("POST", "/api/admin/cache/invalidate", { userId: "indexed" });
    await eventually(async () => expect(await members()).toEqual([]));
  });
});

describe("a transaction", () => {
  it("creates a user with usage metrics, or nothing at all, and says which", async () => {
    const body = { userId: "whole", email: "whole@example.com" };
    const refused = await without("usage_metrics", () => call("POST", "/api/users", body));
    expect(refused.status).toBeGreaterThanOrEqual(500);
    expect(refused.body).toMatchObject({
      type: expect.stringMatching(/^urn:luna:problem:/),
      detail: expect.any(String),
    });
    expect(await count("SELECT COUNT(*) AS n FROM users WHERE user_id = 'whole'")).toBe(0);
    expect((await call("GET", "/api/users/whole")).status, "the cache says so too").toBe(404);

    expect(
      (await call("POST", "/api/users", { ...body, userId: "entire", email: "entire@example.com" }))
        .status,
    ).toBe(201);
    expect(
      await count("SELECT COUNT(*) AS n FROM usage_metrics WHERE user_id = 'entire'"),
    ).toBeGreaterThan(0);
  });

  it("lets one of ten that race for the same address succeed", async () => {
    const race = Array.from({ length: 10 }, (_, n) =>
      call("POST", "/api/users", { userId: `racer-${n}`, email: "race@example.com" }),
    );
    const statuses = (await Promise.all(race)).map(({ status }) => status).toSorted();
    expect(statuses).toEqual([201, ...Array.from({ length: 9 }, () => 409)]);
    const racers = "(SELECT user_id FROM users WHERE user_id LIKE 'racer-%')";
    expect(
      await count(
        `SELECT COUNT(DISTINCT user_id) AS n FROM usage_metrics WHERE user_id IN ${racers}`,
      ),
    ).toBe(1);
  });
});

describe("scheduled tasks", () => {
  it("all run although one fails, and the summary is {total, successful, failed, duration, results}", async () => {
    const { body } = await without("purge_intents", () =>
      call("POST", "/api/admin/scheduled-tasks/tick"),
    );
    // Every ten minutes other tasks are due that need the missing table too.
    const failures = body.results.filter(({ status }: { status: string }) => status === "failure");
    expect(body).toMatchObject({
      total: body.results.length,
      failed: failures.length,
      successful: body.total - failures.length,
      duration: expect.any(Number),
    });
    expect(body.results).toContainEqual(
      expect.objectContaining({
        task: "sweep-outbox",
        status: "success",
        duration: expect.any(Number),
      }),
    );
    const failed = body.results.find(({ task }: { task: string }) => task === "deliver-purges");
    expect(failed).toMatchObject({
      status: "failure",
      duration: expect.any(Number),
      error: { message: expect.stringContaining("no such table") },
    });
  });

  it("are in GET /api/admin/scheduled-tasks/history as {total, successful, failed, recentExecutions}, a failure with its stack", async () => {
    const { body } = await call("GET", "/api/admin/scheduled-tasks/history");
    expect(body).toMatchObject({
      total: expect.any(Number),
      successful: expect.any(Number),
      failed: expect.any(Number),
    });
    const results = body.recentExecutions.flatMap(
      (execution: { results: object[] }) => execution.results,
    );
    expect(results).toContainEqual(
      expect.objectContaining({
        task: "deliver-purges",
        error: expect.objectContaining({ stack: expect.any(String) }),
      }),
    );
  });

  it("that failed are retried by their run", async () => {
    const failed = (
      await without("purge_intents", () =>
        call("POST", "/api/admin/scheduled-tasks/deliver-purges/run"),
      )
    ).body;
    expect(
      (await call("POST", `/api/admin/scheduled-tasks/history/${failed.runId}/retry`)).body,
    ).toMatchObject({
      task: "deliver-purges",
      status: "success",
    });
  });
});

describe("dead letters", () => {
  async function deadLetter(id: string, buriedAt: number): Promise<void> {
    await run(`INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address,
      subject, text, attempts, due_at, ring_after, created_at, updated_at)
               VALUES ('${id}', 'admin', 0, 'dead', 'Luna <hello@luna.example>',
                 '${id}@example.com', 'Hello', 'Hi', 4, 0, 0, 0, 0)`);
    await run(`INSERT INTO dead_letters (id, kind, generation, reason, attempts, buried_at,
      expires_at)
               VALUES ('${id}', 'email', 1, 'exhausted', 4, ${buriedAt},
                 ${Date.now() + 86_400_000})`);
  }
  const listed = async (): Promise<string[]> =>
    (await call("GET", "/api/admin/email/dlq?limit=100")).body.items.map(
      ({ id }: { id: string }) => id,
    );

  it("are processed ten at a time unless a limit is named, as {processed, errors, items}, and leave the list once they are queued again", async () => {
    const ids = Array.from({ length: 12 }, (_, n) => `dead-${n}`);
    for (const [n, id] of ids.entries()) await deadLetter(id, n);
    expect((await listed()).toSorted()).toEqual(ids.toSorted());
    const { body } = await call("POST", "/api/admin/email/process-dlq", {});
    expect(body).toMatchObject({ processed: 10, errors: 0 });
    expect(body.items).toHaveLength(10);
    expect(await listed()).toHaveLength(2);
    expect((await call("POST", "/api/admin/email/process-dlq", { limit: 1 })).body).toMatchObject({
      processed: 1,
      errors: 0,
    });
    const [left = ""] = await listed();
    for (const id of ids.filter((one) => one !== left)) await stack.until(id, "sent");
    expect(ids.map((id) => stack.sink.copiesOf(id))).toEqual(
      ids.map((id) => (id === left ? 0 : 1)),
    );
    expect((await call("POST", "/api/admin/email/process-dlq", {})).body.processed).toBe(1);
  });

  it("that cannot be delivered again are reported as an error and stay", async () => {
    const { body } = await call("POST", "/api/admin/email/process-dlq", { ids: ["no-such-email"] });
    expect(body).toMatchObject({
      processed: 0,
      errors: 1,
      items: [{ id: "no-such-email", success: false }],
    });
  });

  it("are where an email goes that is refused for good: nothing is lost", async () => {
    stack.sink.fault = (phase) => (phase === "rcpt" ? { phase, do: "refuse", code: 550 } : null);
    const id = await stack.send("never@example.com");
    await stack.until(id, "dead");
    await eventually(async () => expect(await listed()).toContain(id));
  });
});

it("GET /health answers, and has a status", async () => {
  expect(await call("GET", "/health")).toMatchObject({
    status: 200,
    body: { status: expect.stringMatching(/^(ok|degraded)$/) },
  });
});

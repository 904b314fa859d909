import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { INDEX_NAME } from "../../shared/lib/cache/tags/rules/rpc.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import { TELEMETRY_NAME } from "../../shared/telemetry/rules/rpc.ts";
import { call } from "./support.ts";

/** Durable Objects whose storage takes no row, by triggers on their real tables. */

const stubs = {
  breaker: () => env.CIRCUIT_BREAKER.getByName("database"),
  telemetry: () => env.TELEMETRY.getByName(TELEMETRY_NAME),
  watchdog: () => env.TASK_WATCHDOG.getByName(WATCHDOG_NAME),
  "tag index": () => env.CACHE_TAG_INDEX.getByName(INDEX_NAME),
};

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(console, "warn").mockReturnValue();
});
afterEach(() => void vi.restoreAllMocks());

async function inStorage(
  stub: DurableObjectStub,
  sqlOf: (table: string) => string,
): Promise<number> {
  return await runInDurableObject(stub, (_, state) => {
    const tables = state.storage.sql
      .exec<{ name: string }>(
        `SELECT name FROM sqlite_master WHERE type = 'table'
           AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*'`,
      )
      .toArray();
    for (const { name } of tables) state.storage.sql.exec(sqlOf(name));
    return tables.length;
  });
}
const fill = (stub: DurableObjectStub) =>
  inStorage(
    stub,
    (table) =>
      `CREATE TRIGGER full_${table} BEFORE INSERT ON ${table}
       BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
  );
const empty = (stub: DurableObjectStub) =>
  inStorage(stub, (table) => `DROP TRIGGER IF EXISTS full_${table}`);

const message = { to: "ada@example.com", subject: "Hi", text: "Hi" };

describe.each(Object.entries(stubs))("a full %s", (name, stubOf) => {
  afterEach(() => empty(stubOf()));

  it("fails no request, and serves nothing old", async () => {
    const id = `of-full-${name.replace(" ", "-")}`;
    await call("GET", "/health");
    expect(await fill(stubOf())).toBeGreaterThan(0);
    const user = { userId: id, email: `${id}@example.com` };
    expect((await call("POST", "/api/users", user)).status).toBe(201);
    expect((await call("GET", `/api/users/${id}`)).status).toBe(200);
    expect((await call("PATCH", `/api/users/${id}`, { tier: "pro" })).status).toBe(200);
    const read = await call("GET", `/api/users/${id}`);
    expect(read).toMatchObject({ status: 200, body: { user: { tier: "pro" } } });
    expect((await call("POST", "/api/emails", message)).status).toBe(202);
    expect((await call("GET", "/health")).status).toBe(200);
  });
});

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { noteFull, watchSize } from "../../shared/database/size.ts";
import { eventually } from "../support/eventually.ts";
import { fillDatabase, forgetSizes, makeRoom } from "../support/full-database.ts";
import { call, rowsInAll } from "./support.ts";

beforeEach(() => void vi.spyOn(console, "error").mockReturnValue());
afterEach(async () => {
  await forgetSizes(env.DB);
  vi.restoreAllMocks();
});

const message = { to: "ada@example.com", subject: "Hi", text: "Hi" };
const refusal = (detail: string) => ({
  status: 503,
  body: { type: "urn:luna:problem:database-full", detail: expect.stringContaining(detail) },
});
const key = (name: string) => ({ headers: { "Idempotency-Key": name } });
let accounts = 0;
const newUser = () => {
  accounts += 1;
  return { userId: `full-${accounts}`, email: `full-${accounts}@example.com` };
};
const health = async () => (await call("GET", "/health")).body;
/** What the trigger does each minute. */
const look = (limitBytes = 10e9) => watchSize(env.DB, limitBytes, Date.now());
const sizeNow = async (): Promise<number> =>
  (await env.DB.prepare("SELECT 1").run()).meta.size_after;

describe("a database that is full", () => {
  it("refuses emails and sign-ups by the reason, writes nothing, and goes on reading", async () => {
    const ada = newUser();
    expect((await call("POST", "/api/users", ada)).status).toBe(201);
    const before = await rowsInAll();
    await fillDatabase(env.DB);
    for (const refused of [
      await call("POST", "/api/users", newUser()),
      await call("POST", "/api/emails", message, key("k")),
    ]) {
      expect(refused).toMatchObject(refusal("no room"));
      expect(refused.headers.get("Retry-After")).toBe("60");
    }
    const batch = await call("POST", "/api/emails/batch", { emails: [message, message] });
    expect(JSON.stringify(batch.body).match(/database-full/g)).toHaveLength(2);
    expect(await rowsInAll()).toEqual(before);
    expect((await call("GET", `/api/users/${ada.userId}`)).status).toBe(200);
  });

  it.each([
    ["an email", () => call("POST", "/api/emails", message)],
    ["a sign-up", () => call("POST", "/api/users", newUser())],
  ])("is reported by /health as soon as %s found no room", async (_, write) => {
    const before = await health();
    expect(before.checks.database).toMatchObject({ status: "ok", limitBytes: 10e9 });
    await fillDatabase(env.DB);
    await write();
    await eventually(async () => {
      const { status, checks } = await health();
      expect(status).toBe("degraded");
      expect(checks.database.status).toBe("degraded");
      expect(checks.database.limitBytes).toBe(checks.database.sizeBytes);
    });
  });

  it("takes new emails and accounts again once it has room, without a person", async () => {
    await fillDatabase(env.DB);
    expect(await call("POST", "/api/emails", message, key("again"))).toMatchObject(
      refusal("no room"),
    );
    expect((await look()).refuses).toBe(true);
    await makeRoom(env.DB);
    expect((await look()).refuses).toBe(false);
    expect((await health()).checks.database.status).toBe("ok");
    expect((await call("POST", "/api/emails", message, key("again"))).status).toBe(202);
    expect((await call("POST", "/api/users", newUser())).status).toBe(201);
  });

  it("is reported by this isolate also if D1 cannot even change a row", async () => {
    await fillDatabase(env.DB);
    await env.DB.exec(
      "CREATE TRIGGER full_state BEFORE UPDATE ON database_state " +
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
    );
    expect(await call("POST", "/api/emails", message)).toMatchObject(refusal("no room"));
    const { status, checks } = await health();
    expect(status).toBe("degraded");
    expect(checks.database.limitBytes).toBe(checks.database.sizeBytes);
    await env.DB.exec("DROP TRIGGER full_state");
    // Once it can be noted in D1, the isolate forgets its own note.
    await noteFull(env.DB, Date.now());
    await forgetSizes(env.DB);
    expect((await health()).checks.database.status).toBe("ok");
  });

  it("is no failure of the breaker", async () => {
    await fillDatabase(env.DB);
    for (let n = 0; n < 8; n += 1)
      expect((await call("POST", "/api/emails", message)).body.type).toContain("database-full");
    expect(await env.CIRCUIT_BREAKER.getByName("database").inspect()).toMatchObject({
      state: "CLOSED",
      failures: 0,
    });
  });
});

describe("a database that is nearly full", () => {
  it("refuses new emails and accounts, and repeats what it answered before", async () => {
    const first = await call("POST", "/api/emails", message, key("before"));
    await look((await sizeNow()) / 0.96);
    expect(await call("POST", "/api/users", newUser())).toMatchObject(refusal("nearly full"));
    expect(await call("POST", "/api/emails", message)).toMatchObject(refusal("nearly full"));
    const again = await call("POST", "/api/emails", message, key("before"));
    expect(again).toMatchObject({ status: 202, body: { id: first.body.id } });
    expect((await health()).checks.database).toMatchObject({ status: "degraded" });
    // It was no write without room: the limit is that of the setting.
    expect((await health()).checks.database.limitBytes).toBe(10e9);
  });

  it("leaves an operator and the owner of an account their acts", async () => {
    const ada = newUser();
    await call("POST", "/api/users", ada);
    const sent = await call("POST", "/api/emails", {
      ...message,
      sendAt: new Date(Date.now() + 3_600_000).toISOString(),
    });
    await look((await sizeNow()) / 0.96);
    const cancelled = await call("POST", `/api/emails/${sent.body.id}/cancel`);
    expect(cancelled.status).toBeLessThan(300);
    expect((await call("PATCH", `/api/users/${ada.userId}`, { tier: "pro" })).status).toBe(200);
    expect((await call("DELETE", `/api/users/${ada.userId}`)).status).toBeLessThan(300);
  });
});

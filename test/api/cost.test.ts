import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  nothing,
  rowHeldTo,
  rowOn,
  sum,
  type PricedOperation,
} from "../../bench/cost/operations.ts";
import page from "../../docs/operate/cost.md?raw";
import { INDEX_NAME } from "../../shared/lib/cache/tags/rules/rpc.ts";
import { CountedPlatform } from "../support/counted-platform.ts";
import { eventually } from "../support/eventually.ts";
import type { Answer } from "../support/http.ts";
import { runTask } from "../support/run-task.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/**
 * The counts of docs/operate/cost.md, as they stand there: what a request makes the platform do,
 * counted at the bindings and in the objects.
 */

/** What an isolate asks at its own pace, however many requests it has: a row of its own. */
const LEASE = "CIRCUIT_BREAKER.sync";
const SYNC = "CACHE_TAG_INDEX.sync";
const REPORT = "TELEMETRY.report";
const PURGE = "CACHE_TAG_INDEX.purge";
const ALARM = "CACHE_TAG_INDEX.alarm";

let fleets = 0;
let platform: CountedPlatform;
let user: TestUser;

beforeEach(async () => {
  platform = new CountedPlatform();
  user = await signUpAs("pro");
  await platform.take();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

type Isolate = (method: string, path: string, body?: unknown, token?: string) => Promise<Answer>;
const newFleet = (): string => String((fleets += 1));

/**
 * An isolate of a fleet: it shares objects, KV and D1 with the others, and has caches and leases of
 * its own.
 */
function newIsolate(fleet: string): Isolate {
  const send = callWith({
    DB: platform.database(env.DB),
    CACHE: platform.kv(env.CACHE),
    EMAIL_QUEUE: platform.queue(),
    CIRCUIT_BREAKER: platform.objects("CIRCUIT_BREAKER", env.CIRCUIT_BREAKER, fleet),
    CACHE_TAG_INDEX: platform.objects("CACHE_TAG_INDEX", env.CACHE_TAG_INDEX, fleet),
    TELEMETRY: platform.objects("TELEMETRY", env.TELEMETRY, fleet),
  });
  return (method, path, body, token = user.token) => {
    platform.add("requests", 1);
    return send(method, path, body, {
      token,
      headers: path === "/api/emails" ? { "Idempotency-Key": crypto.randomUUID() } : {},
    });
  };
}

const readUser = async (isolate: Isolate): Promise<string> => {
  const { status, headers } = await isolate("GET", `/api/users/${user.userId}`);
  expect(status).toBe(200);
  return headers.get("Cache-Status") ?? "";
};

/** Compares with the page. A row that differs is printed as it should stand there. */
async function expectRow(name: PricedOperation, of: readonly string[] = []): Promise<void> {
  expect(rowHeldTo(page, name, await platform.take(of))).toBe(rowOn(page, name));
}

/** Runs the index's alarm as if so many hours had passed. @returns what is left */
async function cleanUp(fleet: string, hours: number): Promise<{ entries: number; tags: number }> {
  const index = env.CACHE_TAG_INDEX.getByName(`${INDEX_NAME}#${fleet}`);
  await runInDurableObject(index, (object) => {
    object.clock = () => Date.now() + hours * 3_600_000;
  });
  await runDurableObjectAlarm(index);
  return await runInDurableObject(index, (_, { storage: { sql } }) => ({
    entries: sql.exec("SELECT key FROM entries").toArray().length,
    tags: sql.exec("SELECT tag FROM tags").toArray().length,
  }));
}

/** A fleet whose isolate has its leases and view, and whose user was noted as seen. */
async function warmIsolate(fleet = newFleet()): Promise<Isolate> {
  const isolate = newIsolate(fleet);
  await readUser(isolate);
  await platform.take();
  return isolate;
}

describe("a warm isolate uses what the page states, called with a user's own key, for", () => {
  it("a read from memory", async () => {
    const isolate = await warmIsolate();
    expect(await readUser(isolate)).toContain("detail=l1");
    await expectRow("read from memory");
  });

  it("a read from KV, of key and user", async () => {
    const fleet = newFleet();
    // The first one loads the user with the key, into its memory; the second one finds only the key
    // in KV.
    await warmIsolate(fleet);
    await warmIsolate(fleet);
    expect(await readUser(newIsolate(fleet))).toContain("detail=l2");
    await expectRow("read from KV");
  });

  it("a read from D1 of all that a user reads, with the index's writes for the entry", async () => {
    // That the user was seen is a row of its own.
    await callWith({})("GET", "/api/me", undefined, { token: user.token });
    const fleet = newFleet();
    const isolate = newIsolate(fleet);
    // The load of the key brought the user along.
    expect(await readUser(isolate)).toContain("detail=l1");
    await eventually(() => expect(platform.asked(SYNC)).toBe(2));
    await platform.settled();
    expect(await cleanUp(fleet, 2)).toMatchObject({ entries: 0 });
    // Its own requests are those of the minutes below, and of an alarm an hour; its rows are of
    // this read. The log lines are of the fleet's breakers, whose names here are no dependency's.
    const counted = { ...(await platform.take([SYNC])), objectRequests: 0, logLines: 0 };
    expect(rowHeldTo(page, "read from D1", counted)).toBe(rowOn(page, "read from D1"));
  });

  it("a user seen for the first time in an hour: the additional cost", async () => {
    await readUser(newIsolate(newFleet()));
    const seen = await platform.take();
    await readUser(newIsolate(newFleet()));
    const again = await platform.take();
    const added = Object.fromEntries(
      Object.entries(seen).map(([column, n]) => [column, n - again[column as keyof typeof seen]]),
    );
    expect(rowHeldTo(page, "user seen", added as typeof seen)).toBe(rowOn(page, "user seen"));
  });

  it("a write with its purge, the alarm that reclaims, and the later cleanup", async () => {
    const fleet = newFleet();
    const isolate = await warmIsolate(fleet);
    await isolate("GET", `/api/users/${user.userId}/workspaces`);
    await eventually(() => expect(platform.asked(SYNC)).toBe(1));
    await platform.take();
    const { status } = await isolate("POST", "/api/workspaces", { name: "Desk" });
    expect(status).toBe(201);
    await eventually(() => expect(platform.asked(ALARM)).toBeGreaterThan(0));
    const written = await platform.take([PURGE, ALARM]);
    expect(await cleanUp(fleet, 50)).toEqual({ entries: 0, tags: 0 });
    const both = sum(written, await platform.take([PURGE]));
    expect(rowHeldTo(page, "write with its purge", both)).toBe(rowOn(page, "write with its purge"));
  });

  it("an accepted email, and its Idempotency-Key that is deleted a day later", async () => {
    await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
    const isolate = await warmIsolate();
    const { status } = await isolate("POST", "/api/emails", {
      to: "ada@example.com",
      subject: "Hello",
      text: "Hi",
    });
    expect(status).toBe(202);
    const accepted = await platform.take();
    await env.DB.batch([
      env.DB.prepare("UPDATE idempotency_keys SET expires_at = 0"),
      env.DB.prepare("UPDATE emails SET status = 'sent', updated_at = 0"),
    ]);
    expect(
      await runTask("expire-idempotency-keys", { DB: platform.database(env.DB) }),
    ).toMatchObject({
      keys: 1,
    });
    const { d1RowsWritten } = await platform.take();
    const both = sum(accepted, { ...nothing, d1RowsWritten });
    expect(rowHeldTo(page, "email accepted", both)).toBe(rowOn(page, "email accepted"));
  });
});

describe("emails are accepted in one round trip to D1", () => {
  const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };
  const send = async (path: string, body: unknown) => {
    const { status } = await callWith({ DB: platform.database(env.DB) })("POST", path, body, {
      headers: { "Idempotency-Key": crypto.randomUUID() },
    });
    expect(status).toBe(202);
    const { d1Reads, d1Writes, d1RowsWritten } = await platform.take();
    return { d1Reads, d1Writes, d1RowsWritten };
  };
  /** An email with its key, recipient, event and content; of the audit log the entry. */
  const [ROWS, ENTRY] = [14, 4];

  it("for one of an operator, with its entry in the audit log", async () => {
    expect(await send("/api/emails", email)).toEqual({
      d1Reads: 0,
      d1Writes: 1,
      d1RowsWritten: ROWS + ENTRY,
    });
    const { body } = await call("GET", "/api/admin/audit?limit=1");
    expect(body.items).toMatchObject([{ operation: "sendEmail", status: 202 }]);
  });

  it("for several recipients: at most four rows for each further one", async () => {
    const cc = Array.from({ length: 10 }, (_, n) => `Cc ${n} <cc${n}@example.com>`);
    const { d1Reads, d1Writes, d1RowsWritten } = await send("/api/emails", { ...email, cc });
    expect({ d1Reads, d1Writes }).toEqual({ d1Reads: 0, d1Writes: 1 });
    expect(d1RowsWritten - ROWS - ENTRY).toBeLessThanOrEqual(4 * cc.length);
  });

  it("for a hundred, each with its key", async () => {
    const emails = Array.from({ length: 100 }, () => email);
    expect(await send("/api/emails/batch", { emails })).toEqual({
      d1Reads: 0,
      d1Writes: 1,
      d1RowsWritten: 100 * ROWS + ENTRY,
    });
  });
});

it("a busy isolate sends each object what the page states, for any number of requests", async () => {
  const STEP_MS = 500;
  const isolate = newIsolate(newFleet());
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  /** Requests with keys that nobody has: each asks KV and D1, and stores nothing. */
  const busy = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      expect(
        (await isolate("GET", "/api/me", undefined, `luna_${crypto.randomUUID()}`)).status,
      ).toBe(401);
      await vi.advanceTimersByTimeAsync(STEP_MS);
      await platform.settled();
    }
  };
  await busy(6_000);
  await platform.take();
  await busy(60_000);
  const [leases, syncs, reports] = await platform.takeEach([LEASE, SYNC, REPORT]);
  expect(rowHeldTo(page, "minute of leases", leases ?? nothing)).toBe(
    rowOn(page, "minute of leases"),
  );
  expect(rowHeldTo(page, "minute of syncs", syncs ?? nothing)).toBe(rowOn(page, "minute of syncs"));
  expect(rowHeldTo(page, "minute of reports", reports ?? nothing)).toBe(
    rowOn(page, "minute of reports"),
  );
});

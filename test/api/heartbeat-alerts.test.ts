import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Heartbeat } from "../../shared/heartbeats/object.ts";
import type { HeartbeatDefinition, PingRequest } from "../../shared/heartbeats/rules/rpc.ts";
import { recordFlip } from "../../shared/heartbeats/sql/heartbeats.ts";
import { call, deadDatabase, signUpAs } from "./support.ts";

/** Who is notified of a heartbeat: the real object, with a clock that the test sets. */

const MINUTE_MS = 60_000;
const start = Date.parse("2030-01-01T09:00:00Z");
let now = start;
let objects = 0;
let token = "";
let definition: HeartbeatDefinition;
let posted: { alert: { key: string; kind: string; summary: string } }[] = [];

beforeEach(async () => {
  now = start;
  token = `heartbeat-${(objects += 1)}`;
  posted = [];
  vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(console, "info").mockReturnValue();
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_url, init) => {
    posted.push(JSON.parse(init?.body as string));
    return new Response("ok");
  });
  await env.DB.batch(
    ["alerts", "alert_notices", "webhook_endpoints", "webhook_events"].map((table) =>
      env.DB.prepare(`DELETE FROM ${table}`),
    ),
  );
});
afterEach(() => void vi.restoreAllMocks());

/** Calls the object with the test's clock and bindings. */
async function inside<Value>(
  act: (heartbeat: Heartbeat) => Promise<Value>,
  changes: object = {},
): Promise<Value> {
  return await runInDurableObject(
    env.HEARTBEAT.getByName(token),
    async (heartbeat: Heartbeat, state) => {
      heartbeat.clock = () => now;
      const own = heartbeat as unknown as { env: object };
      own.env = { ...env, ALERT_WEBHOOK_URL: "https://hooks.example/x", ...changes };
      const value = await act(heartbeat);
      // Its own alarms would come between.
      alarmAt = await state.storage.getAlarm();
      return value;
    },
  );
}
let alarmAt: number | null = null;

/** Every ten minutes, with a grace of five. */
async function define(tenant = "admin"): Promise<void> {
  const id = `hb_${token}`;
  await env.DB.prepare(
    `INSERT INTO heartbeats (id, token, tenant, name, schedule, grace_ms, created_at, updated_at)
     VALUES (?1, ?2, ?3, 'backup', '{"every":"10m"}', 300000, 1, 1)`,
  )
    .bind(id, token, tenant)
    .run();
  definition = {
    id,
    tenant,
    name: "backup",
    schedule: { every: "10m" },
    graceMs: 5 * MINUTE_MS,
    isPaused: false,
    pauseRevision: 0,
    revision: 1,
  };
  await inside((heartbeat) => heartbeat.define(definition));
}
const request: PingRequest = {
  kind: "success",
  rid: null,
  exitStatus: null,
  method: "GET",
  body: "",
};
const ping = (kind: PingRequest["kind"] = "success") =>
  inside((heartbeat) => heartbeat.ping({ ...request, kind }));
const wakeUp = (changes: object = {}) => inside((heartbeat) => heartbeat.alarm(), changes);
const after = (minutes: number): void => void (now = start + minutes * MINUTE_MS);
const kinds = (): string[] => posted.map(({ alert }) => alert.kind);

describe("a heartbeat of the operator", () => {
  beforeEach(() => define());

  it("sets its alarm to when it goes down, and none while it is new", async () => {
    expect(alarmAt).toBeNull();
    await ping();
    expect(alarmAt).toBe(start + 15 * MINUTE_MS);
    after(5);
    await ping("start");
    expect(alarmAt).toBe(start + 10 * MINUTE_MS);
  });

  it("fires an alert when its ping is late, once, and ends it when a ping comes", async () => {
    await ping();
    after(15);
    await wakeUp();
    await wakeUp();
    expect(posted).toMatchObject([
      {
        alert: {
          key: `heartbeat:${definition.id}`,
          kind: "fired",
          summary: "the heartbeat backup is down: no ping came in time",
        },
      },
    ]);
    const { firing } = (await call("GET", "/api/admin/alerts")).body;
    expect(firing).toMatchObject([{ key: `heartbeat:${definition.id}` }]);
    after(20);
    await ping();
    await wakeUp();
    expect(kinds()).toEqual(["fired", "recovered"]);
    expect(posted[1]?.alert.summary).toBe("the heartbeat backup is up again");
    expect((await call("GET", "/api/admin/alerts")).body.firing).toEqual([]);
  });

  it("fires at once when its job reports a failure", async () => {
    await ping("fail");
    expect(alarmAt).toBeLessThanOrEqual(now);
    await wakeUp();
    expect(posted[0]?.alert.summary).toBe("the heartbeat backup is down: it reported a failure");
  });

  it("notifies the webhook while D1 is down, once, and records it when D1 is back", async () => {
    await ping();
    after(15);
    await wakeUp({ DB: deadDatabase });
    expect(kinds()).toEqual(["fired"]);
    expect(alarmAt).toBe(now + MINUTE_MS);
    after(16);
    await wakeUp({ DB: deadDatabase });
    expect(kinds()).toEqual(["fired"]);
    after(17);
    await wakeUp();
    expect(kinds()).toEqual(["fired"]);
    const { firing } = (await call("GET", "/api/admin/alerts")).body;
    expect(firing).toMatchObject([{ key: `heartbeat:${definition.id}` }]);
    await ping();
    await wakeUp();
    expect(kinds()).toEqual(["fired", "recovered"]);
  });

  it("notifies of a recovery, too, while D1 is down", async () => {
    await ping();
    after(15);
    await wakeUp({ DB: deadDatabase });
    after(17);
    await ping();
    await wakeUp({ DB: deadDatabase });
    expect(kinds()).toEqual(["fired", "recovered"]);
    await wakeUp();
    expect(kinds()).toEqual(["fired", "recovered"]);
    expect((await call("GET", "/api/admin/alerts")).body.firing).toEqual([]);
  });

  it("notifies no channel that takes only what is more urgent, nor of what else waits", async () => {
    const urgent = { ALERT_WEBHOOK_SEVERITY: "page" };
    await env.DB.prepare(
      `INSERT INTO alert_notices (id, key, kind, summary, at, severity)
       VALUES ('n1', 'email:dead', 'fired', 'dead letters', ?1, 'ticket')`,
    )
      .bind(start)
      .run();
    await ping("fail");
    await wakeUp({ ...urgent, DB: deadDatabase });
    after(2);
    await wakeUp(urgent);
    expect(posted).toEqual([]);
    const { firing } = (await call("GET", "/api/admin/alerts")).body;
    expect(firing).toMatchObject([{ key: `heartbeat:${definition.id}` }]);
  });

  it("that flaps notifies ten times per hour, and then of how it is", async () => {
    for (let times = 0; times < 120; times += 1) {
      now += 1_000;
      await ping(times % 2 === 0 ? "fail" : "success");
      await wakeUp();
    }
    expect(kinds()).toHaveLength(10);
    await ping("fail");
    await wakeUp();
    expect(kinds()).toHaveLength(10);
    expect(alarmAt).toBeGreaterThan(now + 50 * MINUTE_MS);
    now = alarmAt ?? 0;
    await wakeUp();
    expect(kinds()).toHaveLength(11);
    expect(posted.at(-1)?.alert.kind).toBe("fired");
    expect(await inside((heartbeat) => heartbeat.inspect())).toMatchObject({ status: "down" });
  });

  it("that is deleted while it is down leaves no alert", async () => {
    await ping("fail");
    await wakeUp();
    expect((await call("DELETE", `/api/heartbeats/${definition.id}`)).status).toBe(404);
    const id = `hb_${"a".repeat(32)}`;
    await env.DB.batch([
      env.DB.prepare("UPDATE heartbeats SET id = ?1 WHERE id = ?2").bind(id, definition.id),
      env.DB.prepare("UPDATE alerts SET key = 'heartbeat:' || ?1 WHERE key = ?2").bind(
        id,
        `heartbeat:${definition.id}`,
      ),
    ]);
    expect((await call("DELETE", `/api/heartbeats/${id}`)).status).toBe(204);
    expect((await call("GET", "/api/admin/alerts")).body.firing).toEqual([]);
    expect(await inside((heartbeat) => heartbeat.inspect())).toBeNull();
  });
});

it("a flip is one event of the tenant and one email to its owner, however often reported", async () => {
  const user = await signUpAs("pro");
  const tenant = `user:${user.userId}`;
  await define(tenant);
  const endpoint = { url: "https://example.com/", events: ["heartbeat.*"] };
  await call("POST", "/api/webhook-endpoints", endpoint, { token: user.token });
  await ping("fail");
  let isFirst = true;
  // The reply of the first write is lost.
  const lossy = {
    prepare: (sql: string) => env.DB.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) => {
      const replies = await env.DB.batch(statements);
      if (isFirst) {
        isFirst = false;
        throw new Error("D1_ERROR: Network connection lost.");
      }
      return replies;
    },
  };
  await wakeUp({ DB: lossy, ALERT_WEBHOOK_URL: "" });
  after(2);
  await wakeUp({ ALERT_WEBHOOK_URL: "" });
  await ping();
  await wakeUp({ ALERT_WEBHOOK_URL: "" });
  const { results } = await env.DB.prepare("SELECT type, tenant FROM webhook_events").all();
  expect(results).toEqual([
    { type: "heartbeat.down", tenant },
    { type: "heartbeat.up", tenant },
  ]);
  const emails = env.DB.prepare(
    `SELECT subject FROM emails WHERE to_address = ? AND subject LIKE '%heartbeat%'
     ORDER BY created_at, subject`,
  );
  const sent = (await emails.bind(user.email).all<{ subject: string }>()).results;
  expect(sent.map(({ subject }) => subject)).toEqual([
    "The heartbeat backup is down",
    "The heartbeat backup is up again",
  ]);
  expect((await call("GET", "/api/admin/alerts")).body.firing).toEqual([]);
});

it("a definition that is older than the stored one changes nothing", async () => {
  await define();
  const newer = { ...definition, revision: 3, graceMs: MINUTE_MS };
  await inside((heartbeat) => heartbeat.define(newer));
  await inside((heartbeat) => heartbeat.define({ ...definition, revision: 2 }));
  await ping();
  expect(alarmAt).toBe(start + 11 * MINUTE_MS);
});

it("a flip that D1 gets late does not undo a later one", async () => {
  await define();
  const { id } = definition;
  await recordFlip(env.DB, { id, n: 2, flip: { at: 2, to: "up", because: "recovered" } });
  await recordFlip(env.DB, { id, n: 1, flip: { at: 1, to: "down", because: "late" } });
  const select = env.DB.prepare("SELECT status, flip FROM heartbeats WHERE id = ?");
  expect(await select.bind(id).first()).toEqual({ status: "up", flip: 2 });
});

describe("a deleted heartbeat", () => {
  const tablesLeft = () =>
    runInDurableObject(env.HEARTBEAT.getByName(token), (_, state) =>
      state.storage.sql
        .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE name NOT GLOB '_cf_*'")
        .toArray()
        .map(({ name }) => name),
    );

  it("is not brought back by a definition that arrives after the deletion", async () => {
    await define();
    await ping();
    await inside((heartbeat) => heartbeat.remove());
    const alarmOfEnd = alarmAt;
    for (const revision of [1, 2]) {
      const late = { ...definition, revision };
      expect(await inside((heartbeat) => heartbeat.define(late))).toEqual({
        ok: true,
        value: null,
      });
      expect(alarmAt).toBe(alarmOfEnd);
      expect(await inside((heartbeat) => heartbeat.inspect())).toBeNull();
      expect(await ping()).toEqual({ ok: true, value: { isKnown: false } });
    }
    expect(await tablesLeft()).toEqual(["deletion"]);
  });

  it("leaves nothing in its object after a day", async () => {
    await define();
    await ping();
    await inside((heartbeat) => heartbeat.remove());
    after(60);
    await wakeUp();
    expect([await tablesLeft(), alarmAt]).toEqual([["deletion"], start + 1_440 * MINUTE_MS]);
    after(1_440);
    await wakeUp();
    expect(await tablesLeft()).toEqual([]);
    expect(posted).toEqual([]);
  });
});

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { applyPending } from "../../shared/heartbeats/apply.ts";
import type { Heartbeat } from "../../shared/heartbeats/object.ts";
import { dispatch } from "../../workers/api/dispatch.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { call, callWith, deadDatabase, signUpAs, type TestUser } from "./support.ts";

/** Heartbeats by their API and by their pings. What the object does: heartbeat-alerts.test.ts. */

const path = "/api/heartbeats";
const nightly = { name: "Nightly backup", schedule: { every: "1d" }, graceSeconds: 3_600 };
const READONLY_TOKEN = "test-readonly-token-0123456789abcdef";
let user: TestUser;

beforeEach(async () => {
  user = await signUpAs("pro");
});
afterEach(() => void vi.restoreAllMocks());

const create = async (fields: object = {}, key?: string) =>
  await call(
    "POST",
    path,
    { ...nightly, ...fields },
    { token: user.token, ...(key !== undefined && { headers: { "Idempotency-Key": key } }) },
  );
const tokenOf = (pingUrl: string): string => pingUrl.split("/ping/")[1] ?? "";
async function created(fields: object = {}) {
  const { body } = await create(fields);
  return { id: String(body.id), token: tokenOf(String(body.pingUrl)) };
}
const get = async (id: string) =>
  (await call("GET", `${path}/${id}`, undefined, { token: user.token })).body;
const history = async (id: string, query = "") =>
  (await call("GET", `${path}/${id}/history${query}`, undefined, { token: user.token })).body;
/** As `curl` does: without a token and a content type. */
async function curl(
  at: string,
  init: RequestInit = {},
  changes: Partial<ApiEnv> = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const request = new Request(`https://luna.test${at}`, init);
  const response = await dispatch(request, { ...env, ...changes });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

describe("a heartbeat", () => {
  it("is created with the URL that its job pings, and is new", async () => {
    const { status, body, headers } = await create();
    expect(status).toBe(201);
    expect(body).toMatchObject({ ...nightly, status: "new", tenant: `user:${user.userId}` });
    expect(body.pingUrl).toMatch(/^https?:\/\/[^/]+\/ping\/[\da-f-]{36}$/);
    expect(headers.get("Location")).toBe(`${path}/${body.id}`);
    expect(await get(body.id)).toEqual(body);
  });

  it("is created once under an Idempotency-Key", async () => {
    const { body } = await create({}, "once");
    const again = await create({}, "once");
    expect([again.status, again.body]).toEqual([200, { id: body.id }]);
    expect((await create({ name: "Other" }, "once")).status).toBe(422);
  });

  it.each([
    [{ name: "" }, "name"],
    [{ graceSeconds: 59 }, "graceSeconds"],
    [{ schedule: { every: "1s" } }, "schedule.every"],
    [{ schedule: { cron: "* * *" } }, "schedule.cron"],
    [{ schedule: { cron: "0 3 * * *", timeZone: "Nowhere" } }, "schedule.timeZone"],
    [{ schedule: {} }, "schedule"],
  ])("with %j is refused by the name of its field, and nothing is written", async (wrong, name) => {
    const { status, body } = await create(wrong);
    expect([status, body.errors[0].path]).toEqual([422, name]);
    const { items } = (await call("GET", path, undefined, { token: user.token })).body;
    expect(items).toEqual([]);
  });

  it("belongs to its tenant; an operator sees all, and a viewer no ping URL", async () => {
    const { id } = await created();
    const other = await signUpAs("pro");
    const asOther = { token: other.token };
    expect((await call("GET", `${path}/${id}`, undefined, asOther)).status).toBe(404);
    expect((await call("DELETE", `${path}/${id}`, undefined, asOther)).status).toBe(404);
    expect((await call("GET", path, undefined, asOther)).body.items).toEqual([]);
    const [newest] = (await call("GET", path)).body.items;
    expect(newest.id).toBe(id);
    const viewing = callWith({ READONLY_TOKEN });
    const [seen] = (await viewing("GET", path, undefined, { token: READONLY_TOKEN })).body.items;
    expect(seen).not.toHaveProperty("pingUrl");
  });

  it("is one of at most a hundred of its tenant", async () => {
    await env.DB.prepare(
      `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100)
       INSERT INTO heartbeats (id, token, tenant, name, schedule, grace_ms, created_at, updated_at)
       SELECT 'hb_' || ?1 || n, 't' || n, ?1, 'x', '{"every":"1d"}', 60000, n, n FROM n`,
    )
      .bind(`user:${user.userId}`)
      .run();
    expect((await create()).status).toBe(409);
  });

  it("is changed, paused, resumed and deleted, and its object follows", async () => {
    const { id, token } = await created();
    const as = { token: user.token };
    const changes = { name: "Hourly", schedule: { every: "1h" }, graceSeconds: 60 };
    expect((await call("PATCH", `${path}/${id}`, changes, as)).body).toMatchObject(changes);
    await curl(`/ping/${token}`);
    expect(Date.parse((await get(id)).downAt)).toBeLessThan(Date.now() + 3_700_000);
    expect((await call("POST", `${path}/${id}/pause`, undefined, as)).body.status).toBe("paused");
    await call("PATCH", `${path}/${id}`, { name: "Still paused" }, as);
    expect((await get(id)).status).toBe("paused");
    expect((await call("POST", `${path}/${id}/resume`, undefined, as)).body.status).toBe("new");
    await call("POST", `${path}/${id}/pause`, undefined, as);
    await curl(`/ping/${token}`);
    expect((await get(id)).status).toBe("up");
    await call("PATCH", `${path}/${id}`, { name: "Not paused again" }, as);
    expect((await get(id)).status).toBe("up");
    expect((await call("DELETE", `${path}/${id}`, undefined, as)).status).toBe(204);
    expect((await curl(`/ping/${token}`)).status).toBe(404);
    expect(await env.DB.prepare("SELECT id FROM heartbeats WHERE id = ?").bind(id).first()).toBe(
      null,
    );
  });
});

describe("a ping, as healthchecks.io defines it", () => {
  it.each([
    ["GET", "", "success"],
    ["HEAD", "", "success"],
    ["POST", "", "success"],
    ["GET", "/start", "start"],
    ["POST", "/fail", "fail"],
    ["POST", "/log", "log"],
    ["GET", "/0", "success"],
    ["GET", "/1", "fail"],
    ["HEAD", "/255", "fail"],
  ])("by %s %s is answered OK and is a %s", async (method, suffix, kind) => {
    const { id, token } = await created();
    const answer = await curl(`/ping/${token}${suffix}`, { method });
    // The runtime leaves out the body of an answer to HEAD.
    expect([answer.status, answer.text]).toEqual([200, "OK"]);
    expect(answer.headers.get("Ping-Body-Limit")).toBe("10000");
    const { items } = await history(id);
    const exitStatus = /^\/\d+$/.test(suffix) ? { exitStatus: Number(suffix.slice(1)) } : {};
    expect(items).toEqual([{ n: 1, at: expect.any(String), kind, method, ...exitStatus }]);
  });

  it("keeps the first 10 kB of what a job printed, as text", async () => {
    const { id, token } = await created();
    const long = `<b>${"x".repeat(20_000)}`;
    expect((await curl(`/ping/${token}/fail`, { method: "POST", body: long })).status).toBe(200);
    const binary = new Uint8Array([0xff, 0xfe, 0x41]);
    expect((await curl(`/ping/${token}`, { method: "POST", body: binary })).status).toBe(200);
    const bodies = (await history(id)).items.map(({ body }: { body: string }) => body);
    expect(bodies).toEqual(["\ufffd\ufffdA", long.slice(0, 10_000)]);
  });

  it("has the duration of its run, by the id of the run", async () => {
    const { id, token } = await created();
    const rid = (n: number): string => `?rid=00000000-0000-4000-8000-00000000000${n}`;
    for (const at of [`/start${rid(1)}`, rid(2), rid(1)])
      expect((await curl(`/ping/${token}${at}`)).status).toBe(200);
    const [ends, other, starts] = (await history(id)).items;
    expect(ends.durationMs).toBeGreaterThanOrEqual(0);
    expect([other.durationMs, starts.kind]).toEqual([undefined, "start"]);
    expect((await get(id)).lastDurationMs).toBe(ends.durationMs);
  });

  it.each(["/256", "/-1", "/01", "/stop", "/start/now"])(
    "to %s is not found, and nothing is kept",
    async (suffix) => {
      const { id, token } = await created();
      expect((await curl(`/ping/${token}${suffix}`)).status).toBe(404);
      expect((await history(id)).items).toEqual([]);
    },
  );

  it("under a token of nobody is not found, and its object stores nothing", async () => {
    const token = crypto.randomUUID();
    for (const at of [token, "x", `${token}/fail`])
      expect((await curl(`/ping/${at}`)).status).toBe(404);
    const tables = await runInDurableObject(env.HEARTBEAT.getByName(token), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'heartbeat'").toArray(),
    );
    expect(tables).toEqual([]);
  });

  it("is taken while D1 is down", async () => {
    const { id, token } = await created();
    expect((await curl(`/ping/${token}`, {}, { DB: deadDatabase })).status).toBe(200);
    expect((await get(id)).status).toBe("up");
  });

  it("is refused with 429 over the limit of its token", async () => {
    const { token } = await created();
    const full = { limit: async () => ({ success: false }) };
    const changes = { RATE_LIMIT_KEY: full } as never;
    expect((await curl(`/ping/${token}`, {}, changes)).status).toBe(429);
  });

  it("is one of the last hundred, in pages", async () => {
    const { id, token } = await created();
    const object = env.HEARTBEAT.getByName(token);
    await runInDurableObject(object, async (heartbeat: Heartbeat) => {
      const ping = { rid: null, exitStatus: null, method: "GET", body: "" };
      for (let n = 0; n < 105; n += 1) await heartbeat.ping({ kind: "success", ...ping });
    });
    expect((await get(id)).pings).toBe(105);
    const first = await history(id, "?limit=60");
    const rest = await history(id, `?limit=60&cursor=${first.nextCursor}`);
    const numbers = [...first.items, ...rest.items].map(({ n }: { n: number }) => n);
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, n) => 105 - n));
    expect(rest).not.toHaveProperty("nextCursor");
  });
});

it("a list shows as unknown what does not answer, and hides no other", async () => {
  const { id } = await created();
  vi.spyOn(console, "error").mockReturnValue();
  const dead = { getByName: () => ({ inspect: () => Promise.reject(new Error("gone")) }) };
  const broken = callWith({ HEARTBEAT: dead as never });
  const { body } = await broken("GET", path, undefined, { token: user.token });
  expect(body.items).toMatchObject([{ id, status: "unknown" }]);
});

it("a deleted account has no heartbeat, once the sweep has emptied its object", async () => {
  const { token } = await created();
  await call("DELETE", `/api/users/${user.userId}`);
  expect(await applyPending(env, Date.now())).toMatchObject({ left: 0 });
  expect((await curl(`/ping/${token}`)).status).toBe(404);
  const tenant = `user:${user.userId}`;
  const left = env.DB.prepare("SELECT COUNT(*) AS n FROM heartbeats WHERE tenant = ?");
  expect(await left.bind(tenant).first("n")).toBe(0);
});

it("a deleted team has no heartbeat", async () => {
  const { token } = user;
  const { teamId } = (await call("POST", "/api/teams", { name: "T" }, { token })).body.team;
  const { id } = await created();
  const move = env.DB.prepare("UPDATE heartbeats SET tenant = 'team:' || ?1 WHERE id = ?2");
  await move.bind(teamId, id).run();
  expect((await call("GET", `${path}/${id}`)).status).toBe(200);
  await call("DELETE", `/api/teams/${teamId}`);
  expect((await call("GET", `${path}/${id}`)).status).toBe(404);
  expect(await applyPending(env, Date.now())).toMatchObject({ left: 0 });
});

it("a definition that its object did not get arrives by the sweep", async () => {
  vi.spyOn(console, "error").mockReturnValue();
  const dead = { getByName: () => ({ define: () => Promise.reject(new Error("gone")) }) };
  const broken = callWith({ HEARTBEAT: dead as never });
  const { status, body } = await broken("POST", path, nightly, { token: user.token });
  expect([status, body.status]).toEqual([201, "unknown"]);
  await applyPending(env, Date.now());
  expect((await get(body.id)).status).toBe("new");
});

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newKeyOf } from "../../shared/accounts/api-key.ts";
import { CountedPlatform } from "../support/counted-platform.ts";
import { eventually } from "../support/eventually.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/** Keys of users and teams: what they may do, for how long, and who may make them. */

let user: TestUser;
beforeEach(async () => void (user = await signUpAs("pro")));
afterEach(() => void vi.restoreAllMocks());

const path = (): string => `/api/users/${user.userId}/api-keys`;
const fresh = { "Cache-Control": "no-cache" };
const me = async (token: string) =>
  (await call("GET", "/api/me", undefined, { token, headers: fresh })).status;

async function create(fields: object = {}, token = user.token) {
  const body = { name: "Batch jobs", scopes: ["users:read"], ...fields };
  return await call("POST", path(), body, { token });
}

describe("a key of a user", () => {
  it("is shown once, names its kind, and D1 has only its hash", async () => {
    const { status, body } = await create();
    expect(status).toBe(201);
    expect(body.apiKey).toMatch(/^luna_live_[0-9A-Za-z]{49}$/);
    expect(body.key).toMatchObject({ name: "Batch jobs", scopes: ["users:read"], test: false });
    expect(body.apiKey.startsWith(body.key.prefix)).toBe(true);
    const listed = await call("GET", path());
    expect(listed.body.items).toMatchObject([
      { id: body.key.id, createdBy: `user:${user.userId}` },
    ]);
    const stored = await env.DB.prepare("SELECT * FROM api_keys WHERE id = ?1")
      .bind(body.key.id)
      .first();
    expect(JSON.stringify([listed.body, stored])).not.toContain(body.apiKey);
  });

  it("does what its scopes open, beside the first key, which does all", async () => {
    const { apiKey } = (await create()).body;
    expect(await me(apiKey)).toBe(200);
    const refused = await call("GET", `/api/users/${user.userId}/usage`, undefined, {
      token: apiKey,
    });
    expect(refused).toMatchObject({
      status: 403,
      body: { detail: "This key lacks the scope usage:read." },
    });
    expect(await me(user.token)).toBe(200);
  });

  it("is not shown again to a repeat of the request, which creates nothing", async () => {
    const ask = async (name: string) =>
      await call(
        "POST",
        path(),
        { name, scopes: ["users:read"] },
        {
          headers: { "Idempotency-Key": "once" },
        },
      );
    const first = await ask("One");
    const again = await ask("One");
    expect(again.status).toBe(200);
    expect(again.body).toEqual({ id: first.body.key.id });
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect((await ask("Two")).status).toBe(422);
    expect((await call("GET", path())).body.items).toHaveLength(1);
  });

  it("has no scope that its maker lacks", async () => {
    const { apiKey } = (await create({ scopes: ["keys:manage", "users:read"] })).body;
    expect((await create({ scopes: ["users:read"] }, apiKey)).status).toBe(201);
    const refused = await create({ scopes: ["users:read", "users:manage"] }, apiKey);
    expect(refused.status).toBe(403);
    expect(refused.body.detail).toContain("users:manage");
    expect(
      (await create({ scopes: ["emails:send"] })).status,
      "which only an operator grants",
    ).toBe(403);
    const first = await call("POST", `/api/users/${user.userId}/api-key`, undefined, {
      token: apiKey,
    });
    expect(first.status, "the first key does more").toBe(403);
    const wide = (await create({ scopes: ["users:manage"] })).body.key.id;
    const rotated = await call("POST", `${path()}/${wide}/rotate`, {}, { token: apiKey });
    expect(rotated.status, "nor does it get one that does more").toBe(403);
  });

  it("does less at once when the operator withdraws what they granted", async () => {
    await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
    const { apiKey } = (await create({ scopes: ["emails:send"] })).body;
    const send = async () =>
      (
        await call(
          "POST",
          "/api/emails",
          { to: "a@example.com", subject: "Hi", text: "Hi" },
          {
            token: apiKey,
          },
        )
      ).status;
    expect(await send()).toBe(202);
    await call("PATCH", `/api/users/${user.userId}`, { scopes: [] });
    expect(await send()).toBe(403);
  });

  it("is refused from its expiry on, also while it is cached", async () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const { apiKey } = (await create({ expiresAt })).body;
    const ask = async () => (await call("GET", "/api/me", undefined, { token: apiKey })).status;
    expect(await ask()).toBe(200);
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 60_000);
    expect(await ask()).toBe(401);
  });

  it("is refused once it is revoked, in each isolate that asks the index", async () => {
    const { key, apiKey } = (await create()).body;
    expect(await me(apiKey)).toBe(200);
    expect((await call("DELETE", `${path()}/${key.id}`)).status).toBe(204);
    expect((await call("GET", "/api/me", undefined, { token: apiKey })).status).toBe(401);
    expect(await me(apiKey)).toBe(401);
    expect((await call("DELETE", `${path()}/${key.id}`)).status).toBe(404);
  });

  it("is refused once its user is deleted", async () => {
    const { apiKey } = (await create()).body;
    expect(await me(apiKey)).toBe(200);
    await call("DELETE", `/api/users/${user.userId}`);
    expect((await call("GET", "/api/me", undefined, { token: apiKey })).status).toBe(401);
  });

  it("belongs to its user: nobody else lists, rotates or revokes it", async () => {
    const { key } = (await create()).body;
    const other = await signUpAs("pro");
    const theirs = `/api/users/${other.userId}/api-keys/${key.id}`;
    for (const [method, at] of [
      ["DELETE", theirs],
      ["POST", `${theirs}/rotate`],
    ] as const)
      expect(
        (await call(method, at, method === "POST" ? {} : undefined, { token: other.token })).status,
      ).toBe(404);
    expect((await call("GET", path(), undefined, { token: other.token })).status).toBe(403);
  });

  it.each([
    ["name", { name: " " }],
    ["scopes", { scopes: [] }],
    ["scopes.0", { scopes: ["jobs:manage"] }],
    ["scopes", { scopes: ["users:read", "users:read"] }],
    ["expiresAt", { expiresAt: "2020-01-01T00:00:00Z" }],
    ["scopes", { test: true, scopes: ["users:read"] }],
  ])("is refused with a wrong %s, and nothing is written", async (field, fields) => {
    const { status, body } = await create(fields);
    expect(status).toBe(422);
    expect(body.errors.map(({ path: at }: { path: string }) => at)).toContain(field);
    expect((await call("GET", path())).body.items).toEqual([]);
  });
});

describe("a rotation", () => {
  const rotate = async (id: string, body: object) =>
    await call("POST", `${path()}/${id}/rotate`, body);

  it("gives a new key, and the one before works until the overlap ends", async () => {
    const { key, apiKey: before } = (await create()).body;
    const { status, body } = await rotate(key.id, { overlapSeconds: 60 });
    expect(status).toBe(201);
    expect(body.key.id).toBe(key.id);
    expect(await me(body.apiKey)).toBe(200);
    expect(await me(before)).toBe(200);
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 61_000);
    expect(await me(before)).toBe(401);
    expect(await me(body.apiKey)).toBe(200);
  });

  it("without an overlap refuses the key before at once", async () => {
    const { key, apiKey: before } = (await create()).body;
    expect(await me(before)).toBe(200);
    const { apiKey } = (await rotate(key.id, { overlapSeconds: 0 })).body;
    expect((await call("GET", "/api/me", undefined, { token: before })).status).toBe(401);
    expect(await me(apiKey)).toBe(200);
  });
});

describe("the cost of a key", () => {
  it("one that is mistyped is refused without a look-up", async () => {
    const platform = new CountedPlatform();
    const send = callWith({ DB: platform.database(env.DB), CACHE: platform.kv(env.CACHE) });
    const { key } = await newKeyOf("luna", "live");
    await platform.take();
    const token = `${key.slice(0, -1)}${key.endsWith("x") ? "y" : "x"}`;
    expect((await send("GET", "/api/me", undefined, { token })).status).toBe(401);
    const { d1Reads, kvReads } = await platform.take();
    expect({ d1Reads, kvReads }).toEqual({ d1Reads: 0, kvReads: 0 });
  });

  it("its last use is written at most once per ten minutes", async () => {
    const { key, apiKey } = (await create()).body;
    const usedAt = async () =>
      (await call("GET", path())).body.items.find(({ id }: { id: string }) => id === key.id)
        .lastUsedAt;
    const now = Date.now();
    const at = async (ms: number) => {
      vi.spyOn(Date, "now").mockReturnValue(now + ms);
      await me(apiKey);
    };
    await at(0);
    await eventually(async () => expect(await usedAt()).toBe(new Date(now).toISOString()));
    await at(599_000);
    expect(await usedAt()).toBe(new Date(now).toISOString());
    await at(600_000);
    await eventually(async () =>
      expect(await usedAt()).toBe(new Date(now + 600_000).toISOString()),
    );
  });
});

describe("a key of a team", () => {
  const team = async () =>
    (await call("POST", "/api/teams", { name: "Team" }, { token: user.token })).body.team.teamId;
  const createFor = async (teamId: string, scopes: string[], token: string | undefined) =>
    await call(
      "POST",
      `/api/teams/${teamId}/api-keys`,
      { name: "Team", scopes },
      token === undefined ? {} : { token },
    );

  it("acts as the team, and outlives the member who made it", async () => {
    const teamId = await team();
    await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
    const scopes = ["emails:send", "emails:read", "teams:read"];
    const { apiKey } = (await createFor(teamId, scopes, user.token)).body;
    const other = await signUpAs("pro");
    const member = { userId: other.userId, role: "owner" };
    await call("POST", `/api/teams/${teamId}/members`, member);
    await call("DELETE", `/api/teams/${teamId}/members/${user.userId}`);
    await call("DELETE", `/api/users/${user.userId}`);
    const email = { to: "a@example.com", subject: "Hi", text: "Hi" };
    const sent = await call("POST", "/api/emails", email, { token: apiKey });
    expect(sent.status).toBe(202);
    const { items } = (await call("GET", "/api/emails", undefined, { token: apiKey })).body;
    expect(items.map(({ id }: { id: string }) => id)).toEqual([sent.body.id]);
    expect(
      await env.DB.prepare("SELECT tenant FROM emails WHERE id = ?1").bind(sent.body.id).first(),
    ).toEqual({ tenant: `team:${teamId}` });
  });

  it("is made by its owners: not by members, strangers or another team's key", async () => {
    const teamId = await team();
    const plain = await signUpAs("pro");
    await call("POST", `/api/teams/${teamId}/members`, { userId: plain.userId });
    expect((await createFor(teamId, ["teams:read"], plain.token)).status).toBe(403);
    expect((await createFor(teamId, ["teams:read"], (await signUpAs("pro")).token)).status).toBe(
      404,
    );
    const { apiKey } = (await createFor(await team(), ["keys:manage"], user.token)).body;
    expect((await createFor(teamId, ["keys:manage"], apiKey)).status).toBe(404);
  });

  it("ends with its team, whose emails are not sent any more", async () => {
    const teamId = await team();
    const scopes = ["teams:read", "heartbeats:manage"];
    const { apiKey } = (await createFor(teamId, scopes, undefined)).body;
    const heartbeat = { name: "backup", schedule: { every: "60s" }, graceSeconds: 60 };
    const beating = await call("POST", "/api/heartbeats", heartbeat, { token: apiKey });
    expect(beating.status).toBe(201);
    const ask = async () =>
      (await call("GET", `/api/teams/${teamId}`, undefined, { token: apiKey })).status;
    expect(await ask()).toBe(200);
    await call("DELETE", `/api/teams/${teamId}`);
    expect(await ask()).toBe(401);
    const ended = await env.DB.prepare("SELECT ended_until FROM ended_tenants WHERE tenant = ?1")
      .bind(`team:${teamId}`)
      .first("ended_until");
    expect(ended).toBe(Number.MAX_SAFE_INTEGER);
    const state = env.DB.prepare("SELECT ended FROM heartbeats WHERE id = ?1");
    expect(await state.bind(beating.body.id).first("ended")).toBe(1);
  });

  it("has the daily limit of the highest tier of its owners", async () => {
    const teamId = await team();
    const { apiKey } = (await createFor(teamId, ["emails:send"], undefined)).body;
    const send = callWith({ EMAIL_MAX_PER_DAY_BY_TIER: "1,2,3" });
    const email = { to: "a@example.com", subject: "Hi", text: "Hi" };
    const statuses: number[] = [];
    for (let times = 0; times < 3; times += 1)
      statuses.push((await send("POST", "/api/emails", email, { token: apiKey })).status);
    expect(statuses).toEqual([202, 202, 429]);
  });
});

it("an Idempotency-Key of a test key never stands for an email that has to leave", async () => {
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  const email = { to: "a@example.com", subject: "Hi", text: "Hi" };
  const headers = { "Idempotency-Key": "order-1" };
  const ids: string[] = [];
  for (const test of [true, false]) {
    const { apiKey: token } = (await create({ test, scopes: ["emails:send"] })).body;
    for (const at of ["/api/emails", "/api/emails/batch"]) {
      const body = at.endsWith("batch") ? { emails: [email] } : email;
      const send = async () => await call("POST", at, body, { token, headers });
      const [sent, again] = [await send(), await send()].map(({ body: one }) => one);
      ids.push((sent.items?.[0] ?? sent).id);
      expect((again.items?.[0] ?? again).id).toBe(ids.at(-1));
    }
  }
  expect(new Set(ids).size).toBe(4);
  const tests = await env.DB.prepare("SELECT test FROM emails WHERE id IN (?, ?) ORDER BY test")
    .bind(ids[0], ids[2])
    .all();
  expect(tests.results).toEqual([{ test: 0 }, { test: 1 }]);
});

it("a test key's email is marked, and the release before does not take it", async () => {
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  const { apiKey } = (await create({ test: true, scopes: ["emails:send", "emails:read"] })).body;
  expect(apiKey).toMatch(/^luna_test_/);
  const email = { to: "a@example.com", subject: "Hi", text: "Hi" };
  const { id } = (await call("POST", "/api/emails", email, { token: apiKey })).body;
  const shown = await call("GET", `/api/emails/${id}`, undefined, { token: apiKey });
  expect(shown.body.test).toBe(true);
  const format = env.DB.prepare("SELECT format FROM emails WHERE id = ?1").bind(id);
  expect(await format.first("format")).toBe(5);
});

it("an email under the Idempotency-Key of a test is sent, and is no repeat of the test", async () => {
  await call("PATCH", `/api/users/${user.userId}`, { scopes: ["emails:send"] });
  const { apiKey } = (await create({ test: true, scopes: ["emails:send"] })).body;
  const email = { to: "a@example.com", subject: "Hi", text: "Hi" };
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const send = async (token: string) =>
    (await call("POST", "/api/emails", email, { token, headers })).body.id as string;
  const [tested, sent] = [await send(apiKey), await send(user.token)];
  expect(sent).not.toBe(tested);
  expect((await call("GET", `/api/emails/${sent}`)).body).not.toHaveProperty("test");
  expect([await send(apiKey), await send(user.token)]).toEqual([tested, sent]);
});

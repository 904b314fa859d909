import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { eventually } from "../support/eventually.ts";
import { cron } from "../support/produce.ts";
import { call, callWith, signUpAs } from "./support.ts";

/** The audit log: who did or read what, what changed, and nothing secret or personal. */

const READONLY = "the-token-for-reading-0123456789abc";
const reset = "/api/admin/circuit-breakers/cache/reset";
const viewing = callWith({ READONLY_TOKEN: READONLY });

const clear = () => env.DB.prepare("DELETE FROM audit_log").run();
const entries = async (query = "") => (await call("GET", `/api/admin/audit${query}`)).body.items;
/** Waits until the newest entry of an operation has a status. */
const entryOf = async (operation: string) =>
  await eventually(async () => {
    const entry = (await entries("?limit=100")).find(
      (one: { operation: string; status: number | null }) =>
        one.operation === operation && one.status !== null,
    );
    if (entry === undefined) throw new Error(`no entry of ${operation}`);
    return entry;
  });
const hashOf = async (text: string) => `sha256:${(await sha256Hex(text)).slice(0, 12)}`;

beforeEach(clear);
afterEach(() => void vi.restoreAllMocks());

describe("an operator's write", () => {
  it("has an entry with actor, operation, time and status", async () => {
    const created = await call("POST", "/api/users", {
      userId: "audited",
      email: "audited@example.com",
    });
    const entry = await entryOf("createUser");
    expect(entry).toMatchObject({
      path: "/api/users",
      actor: expect.stringMatching(/^admin:[0-9a-f]{8}$/),
      status: 201,
      requestId: created.headers.get("X-Request-Id"),
    });
    expect(await entries(`?actor=${entry.actor}`)).toHaveLength(1);
    expect(await entries("?actor=nobody")).toEqual([]);
  });

  it("shows what changed: old and new values, with hashes for addresses, and no secret", async () => {
    const { userId, email, token } = await signUpAs("free");
    await call("PATCH", `/api/users/${userId}`, { tier: "pro", scopes: ["emails:send"] });
    expect((await entryOf("updateUser")).changes).toEqual([
      { field: "tier", from: "free", to: "pro" },
      { field: "scopes", from: "[]", to: '["emails:send"]' },
    ]);
    const rotated = await call("POST", `/api/users/${userId}/api-key`);
    expect((await entryOf("rotateApiKey")).changes).toEqual([
      {
        field: "apiKeyPrefix",
        from: token.slice(0, 12),
        to: rotated.body.user.apiKeyPrefix,
      },
    ]);
    await call("DELETE", `/api/users/${userId}`);
    expect((await entryOf("deleteUser")).changes).toContainEqual({
      field: "address",
      from: await hashOf(email),
    });
    const stored = JSON.stringify((await env.DB.prepare("SELECT * FROM audit_log").all()).results);
    expect(stored).not.toContain(email);
    expect(stored).not.toContain(rotated.body.apiKey);
    expect(stored).not.toContain(token);
  });

  it("shows the status of an email and the role of a member, before and after", async () => {
    const [owner, bob] = [await signUpAs("pro"), await signUpAs("pro")];
    const { teamId } = (await call("POST", "/api/teams", { name: "T" }, { token: owner.token }))
      .body.team;
    await env.DB.prepare("INSERT INTO team_members VALUES (?1, ?2, 'member', 0)")
      .bind(teamId, bob.userId)
      .run();
    await call("POST", `/api/teams/${teamId}/members`, { userId: bob.userId, role: "admin" });
    expect((await entryOf("addMember")).changes).toEqual([
      { field: "role", from: "member", to: "admin" },
      { field: "userId", to: bob.userId },
    ]);
    const { id } = (
      await call("POST", "/api/emails", { to: "ada@example.com", subject: "Hi", text: "Hi" })
    ).body;
    await call("POST", `/api/emails/${id}/cancel`);
    expect((await entryOf("cancelEmail")).changes).toEqual([
      { field: "status", from: "queued", to: "cancelled" },
    ]);
    expect((await entryOf("sendEmail")).changes, "no address, subject or text").toEqual([]);
  });

  it("about an address has a hash in place of the address", async () => {
    const address = "secret.person@example.com";
    await call("POST", "/api/admin/email/suppressions", { address });
    await call("DELETE", `/api/admin/email/suppressions/${encodeURIComponent(address)}`);
    const entry = await entryOf("unsuppress");
    expect(entry.path).toBe(`/api/admin/email/suppressions/${await hashOf(address)}`);
    expect(entry.changes).toEqual([{ field: "suppressed", from: "all (manual)" }]);
    await call("POST", reset, { reason: `asked by ${address}` });
    expect((await entryOf("resetCircuitBreaker")).changes).toEqual([
      { field: "reason", to: await hashOf(`asked by ${address}`) },
    ]);
    await call("DELETE", "/api/users/ada@example.com");
    await call("DELETE", "/api/users/ada%40example.com/api-key");
    const stored = JSON.stringify((await env.DB.prepare("SELECT * FROM audit_log").all()).results);
    expect(stored).not.toMatch(/@|%40/);
  });

  it("that is refused has an entry with its status, and changed nothing", async () => {
    await call("POST", "/api/users", { userId: "" });
    expect(await entryOf("createUser")).toMatchObject({ status: 422, changes: [] });
    const forbidden = await viewing("POST", reset, { reason: "no" }, { token: READONLY });
    expect(forbidden.status).toBe(403);
    expect(await entryOf("resetCircuitBreaker")).toMatchObject({
      status: 403,
      actor: expect.stringMatching(/^viewer:[0-9a-f]{8}$/),
      changes: [],
    });
  });

  it("has no entry if it only does what the cron trigger does each minute", async () => {
    const ticking = callWith({ CRON: cron() });
    expect((await ticking("POST", "/api/admin/scheduled-tasks/tick")).status).toBe(200);
    await call("POST", reset, { reason: "a later write" });
    await entryOf("resetCircuitBreaker");
    expect(await entries()).toHaveLength(1);
  });

  it("does not stop an operator while D1 is down, and logs the missing entry", async () => {
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const batch = () => Promise.reject(new Error("Network connection lost."));
    const statement = { bind: () => statement, run: batch, first: batch, all: batch };
    const down = { prepare: () => statement, batch } as unknown as D1Database;
    expect((await callWith({ DB: down })("POST", reset, { reason: "D1 is down" })).status).toBe(
      200,
    );
    const lines = logged.mock.calls.map(([line]) => JSON.parse(String(line)) as unknown);
    expect(lines).toContainEqual(
      expect.objectContaining({
        event: "audit.failed",
        operation: "resetCircuitBreaker",
        actor: expect.stringMatching(/^admin:[0-9a-f]{8}$/),
      }),
    );
  });

  it("delays no request by over two seconds while D1 is silent", async () => {
    const error = vi.spyOn(console, "error").mockReturnValue();
    const never = () => new Promise(() => undefined);
    const statement = { bind: () => statement, run: never, first: never, all: never };
    const silent = { prepare: () => statement, batch: never } as unknown as D1Database;
    expect((await callWith({ DB: silent })("POST", reset, { reason: "D1 is silent" })).status).toBe(
      200,
    );
    expect(error.mock.calls.flat().join()).toContain("audit.failed");
  });

  it("shows a write that crashed with no status", async () => {
    await env.DB.prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id)
       VALUES ('dead', ?1, 'admin:x', 'tick', '/', 'r')`,
    )
      .bind(Date.now() + 1_000)
      .run();
    expect((await entries())[0]).toMatchObject({ id: "dead", status: null });
  });
});

describe("an operator's read of personal data", () => {
  it.each([
    ["exportUser", (userId: string) => `/api/users/${userId}/export`],
    ["getUser", (userId: string) => `/api/users/${userId}`],
    ["listUsers", () => "/api/admin/users"],
    ["listSuppressions", () => "/api/admin/email/suppressions"],
  ])("has one entry per hour and object: %s", async (operation, pathOf) => {
    const { userId } = await signUpAs("free");
    await entryOf("createUser");
    await clear();
    const path = pathOf(userId);
    for (let times = 0; times < 3; times += 1) expect((await call("GET", path)).status).toBe(200);
    expect(await entryOf(operation)).toMatchObject({ path, status: 200, changes: [] });
    expect(await entries()).toHaveLength(1);
  });

  it("has an entry for the read-only token too, and for an email's content", async () => {
    const { id } = (
      await call("POST", "/api/emails", { to: "ada@example.com", subject: "Hi", text: "Hi" })
    ).body;
    await viewing("GET", `/api/emails/${id}`, undefined, { token: READONLY });
    expect(await entryOf("getEmail")).toMatchObject({
      path: `/api/emails/${id}`,
      actor: expect.stringMatching(/^viewer:/),
    });
  });

  it("has no entry if it shows nothing, or if users read their own data", async () => {
    const { userId, token } = await signUpAs("free");
    await entryOf("createUser");
    await clear();
    await call("GET", "/api/users/no-such-user/export");
    await call("GET", `/api/users/${userId}`, undefined, { token });
    await call("GET", "/api/admin/alerts");
    await call("POST", reset, { reason: "a later write" });
    await entryOf("resetCircuitBreaker");
    expect(await entries()).toHaveLength(1);
  });
});

describe("a user's act on the security of an account", () => {
  it("has an entry under the user's id, if it was not refused", async () => {
    const [ada, bob] = [await signUpAs("pro"), await signUpAs("pro")];
    const as = { token: ada.token };
    const { teamId } = (await call("POST", "/api/teams", { name: "T" }, as)).body.team;
    const members = `/api/teams/${teamId}/members`;
    expect((await call("POST", members, { userId: bob.userId, role: "member" }, as)).status).toBe(
      200,
    );
    const added = await entryOf("addMember");
    expect(added).toMatchObject({ actor: `user:${ada.userId}`, path: members, status: 200 });
    expect(added.changes).toEqual([
      { field: "userId", to: bob.userId },
      { field: "role", to: "member" },
    ]);
    await call("DELETE", `${members}/${bob.userId}`, undefined, as);
    await entryOf("removeMember");
    await call("PATCH", `/api/users/${ada.userId}`, { email: `new-${ada.email}` }, as);
    await entryOf("updateUser");
    const refused = await call("PATCH", `/api/users/${ada.userId}`, { tier: "enterprise" }, as);
    expect(refused.status).toBe(403);
    const { apiKey } = (await call("POST", `/api/users/${ada.userId}/api-key`, undefined, as)).body;
    await entryOf("rotateApiKey");
    await call("DELETE", `/api/users/${ada.userId}`, undefined, { token: apiKey });
    expect(await entryOf("deleteUser")).toMatchObject({ actor: `user:${ada.userId}`, status: 204 });
    const found = await entries(`?actor=user:${ada.userId}`);
    expect(found.map(({ operation }: { operation: string }) => operation)).toEqual([
      "deleteUser",
      "rotateApiKey",
      "updateUser",
      "removeMember",
      "addMember",
    ]);
    expect(JSON.stringify(found)).not.toContain("@");
  });
});

it("a user's act shows what changed, before and after", async () => {
  const [ada, bob] = [await signUpAs("pro"), await signUpAs("pro")];
  const as = { token: ada.token };
  const { teamId } = (await call("POST", "/api/teams", { name: "T" }, as)).body.team;
  const members = `/api/teams/${teamId}/members`;
  await call("POST", members, { userId: bob.userId, role: "member" });
  await entryOf("addMember");
  await clear();
  await call("POST", members, { userId: bob.userId, role: "admin" }, as);
  expect((await entryOf("addMember")).changes).toContainEqual({
    field: "role",
    from: "member",
    to: "admin",
  });
  await call("DELETE", `${members}/${bob.userId}`, undefined, as);
  expect((await entryOf("removeMember")).changes).toEqual([{ field: "role", from: "admin" }]);
  const rotated = await call("POST", `/api/users/${ada.userId}/api-key`, undefined, as);
  expect((await entryOf("rotateApiKey")).changes).toEqual([
    { field: "apiKeyPrefix", from: ada.token.slice(0, 12), to: rotated.body.user.apiKeyPrefix },
  ]);
});

it("a confirmed address has one entry under its user, with hashes and without the token", async () => {
  const { userId, email, token } = await signUpAs("free");
  const changed = `changed-${email}`;
  await call("PATCH", `/api/users/${userId}`, { email: changed }, { token });
  const text = await env.DB.prepare(
    `SELECT c.text FROM emails e JOIN email_contents c ON c.email_id = e.id
     WHERE e.to_address = ?1`,
  )
    .bind(changed)
    .first<string>("text");
  const [path = ""] = /\/confirm-address\/[\w-]+/.exec(text ?? "") ?? [];
  const open = { token: null, text: true } as const;
  expect((await call("GET", path, undefined, open)).status).toBe(200);
  const confirmations = async () =>
    (await entries(`?actor=user:${userId}`)).filter(
      ({ operation }: { operation: string }) => operation === "confirmAddress",
    );
  expect(await confirmations(), "the link was only opened").toEqual([]);
  let confirmed = await call("POST", path, undefined, open);
  const requestId = confirmed.headers.get("X-Request-Id");
  for (let n = 0; n < 2; n += 1) confirmed = await call("POST", path, undefined, open);
  expect(confirmed.status).toBe(200);
  expect(await confirmations()).toEqual([
    {
      id: expect.any(String),
      at: expect.any(String),
      actor: `user:${userId}`,
      operation: "confirmAddress",
      path: "/confirm-address/:token",
      requestId,
      status: 200,
      changes: [{ field: "address", from: await hashOf(email), to: await hashOf(changed) }],
    },
  ]);
});

it("entries of an earlier release stay readable, without the addresses in their paths", async () => {
  await env.DB.prepare(
    `INSERT INTO audit_log (id, at, actor, operation, path, request_id, status) VALUES
      ('old', 1, 'admin:x', 'unsuppress', '/api/admin/email/suppressions/a%40b.example', 'r', 204)`,
  ).run();
  expect(await entries()).toEqual([
    {
      id: "old",
      at: "1970-01-01T00:00:00.001Z",
      actor: "admin:x",
      operation: "unsuppress",
      path: "/api/admin/email/suppressions/…",
      requestId: "r",
      status: 204,
      changes: [],
    },
  ]);
});

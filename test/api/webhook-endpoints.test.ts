import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { recordConditions } from "../../shared/alerts/watch.ts";
import { decryptSecret } from "../../shared/webhooks/secrets.ts";
import { pausedEndpoints } from "../../shared/webhooks/sql/waiting.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/** Endpoints of webhooks: who has them, what they get, and that a secret is shown once. */

const url = "https://example.com/hook";
const path = "/api/webhook-endpoints";

const create = async (user: TestUser | null, fields: object = {}, key?: string) =>
  await call(
    "POST",
    path,
    { url, events: ["*"], ...fields },
    {
      ...(user !== null && { token: user.token }),
      ...(key !== undefined && { headers: { "Idempotency-Key": key } }),
    },
  );

const events = async (): Promise<{ type: string; tenant: string; data: string }[]> =>
  (
    await env.DB.prepare("SELECT type, tenant, data FROM webhook_events ORDER BY n").all<{
      type: string;
      tenant: string;
      data: string;
    }>()
  ).results;

async function acceptOne({ userId, token }: TestUser, fields: object = {}): Promise<string> {
  await call("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
  const email = { to: "grace@example.com", subject: "Hi", text: "Hi", ...fields };
  return (await call("POST", "/api/emails", email, { token })).body.id;
}

let user: TestUser;
beforeEach(async () => {
  user = await signUpAs("pro");
  await env.DB.batch(
    ["webhook_endpoints", "webhook_events", "deliveries"].map((table) =>
      env.DB.prepare(`DELETE FROM ${table}`),
    ),
  );
});

describe("a secret", () => {
  it("is shown once, and D1 has it encrypted for this endpoint alone", async () => {
    const { body } = await create(user);
    expect(body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const shown = await call("GET", `${path}/${body.endpoint.id}`, undefined, {
      token: user.token,
    });
    expect(JSON.stringify(shown.body)).not.toContain("whsec_");
    const stored = await env.DB.prepare("SELECT secret FROM webhook_endpoints").first<string>(
      "secret",
    );
    const key = env.SECRETS_KEY ?? "";
    expect(stored).not.toContain(body.secret.slice(6));
    expect(await decryptSecret(key, body.endpoint.id, stored ?? "")).toBe(body.secret);
    await expect(decryptSecret(key, "we_other", stored ?? "")).rejects.toHaveProperty(
      "name",
      "OperationError",
    );
    await expect(decryptSecret(`${key}!`, body.endpoint.id, stored ?? "")).rejects.toHaveProperty(
      "name",
      "OperationError",
    );
  });

  it("is not shown again to a repeat of the request, which creates nothing", async () => {
    const first = await create(user, {}, "once");
    const again = await create(user, {}, "once");
    expect(again.status).toBe(200);
    expect(again.body).toEqual({ id: first.body.endpoint.id });
    expect((await create(user, { events: ["email.*"] }, "once")).status).toBe(422);
    const listed = await call("GET", path, undefined, { token: user.token });
    expect(listed.body.items).toHaveLength(1);
  });

  it("that is replaced stays valid for a day", async () => {
    const { body } = await create(user);
    const rotated = await call("POST", `${path}/${body.endpoint.id}/secret`);
    expect(rotated.body.secret).not.toBe(body.secret);
    const until = Date.parse(rotated.body.endpoint.previousSecretUntil);
    expect(until).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    const previous = await env.DB.prepare(
      "SELECT previous_secret AS s FROM webhook_endpoints",
    ).first<string>("s");
    const key = env.SECRETS_KEY ?? "";
    expect(await decryptSecret(key, body.endpoint.id, previous ?? "")).toBe(body.secret);
  });
});

it.each([
  ["http://example.com/", "must begin with https://"],
  ["https://169.254.169.254/latest", "must not lead into a private network"],
  ["https://[::ffff:127.0.0.1]/", "must not lead into a private network"],
  ["http://127.0.0.1:9/", "must begin with https://"],
])("the URL %s is refused by name, and nothing is written", async (wrong, message) => {
  const refused = await create(user, { url: wrong });
  expect(refused.status).toBe(422);
  expect(refused.body.errors).toEqual([{ path: "url", message }]);
  const { body } = await create(user);
  const changed = await call("PATCH", `${path}/${body.endpoint.id}`, { url: wrong });
  expect(changed.body.errors).toEqual([{ path: "url", message }]);
  expect((await call("GET", `${path}/${body.endpoint.id}`)).body.url).toBe(url);
});

it("http on loopback is taken where the deployment allows it", async () => {
  const local = callWith({ OUTBOUND_ALLOW_LOOPBACK: "true" });
  const body = { url: "http://127.0.0.1:9/", events: ["*"] };
  expect((await local("POST", path, body)).status).toBe(201);
});

describe("an event is written", () => {
  it("only if an endpoint of its tenant or of the operator subscribes to it", async () => {
    const send = async () => await acceptOne(user);
    await send();
    expect(await events()).toEqual([]);
    await create(await signUpAs("pro"));
    await env.DB.prepare("DELETE FROM webhook_events").run();
    await send();
    expect(await events()).toEqual([]);
    const { body } = await create(user, { events: ["email.sent"] });
    await send();
    expect(await events()).toEqual([]);
    await call("PATCH", `${path}/${body.endpoint.id}`, { events: ["email.*"] });
    const emailId = await send();
    const [event] = await events();
    expect(event).toMatchObject({ type: "email.accepted", tenant: `user:${user.userId}` });
    expect(JSON.parse(event?.data ?? "")).toMatchObject({ emailId, to: ["grace@example.com"] });
    await call("DELETE", `${path}/${body.endpoint.id}`);
    await send();
    expect(await events()).toHaveLength(1);
  });

  it("for each change of accounts, keys, teams and members, to the operator", async () => {
    await create(null);
    const other = await signUpAs("pro");
    await call("POST", `/api/users/${other.userId}/api-key`);
    await call("PATCH", `/api/users/${other.userId}`, { tier: "free" });
    await call("DELETE", `/api/users/${other.userId}/api-key`);
    const keys = `/api/users/${user.userId}/api-keys`;
    const made = await call("POST", keys, { name: "CI", scopes: ["users:read"] });
    await call("POST", `${keys}/${made.body.key.id}/rotate`, {});
    await call("DELETE", `${keys}/${made.body.key.id}`);
    const { token } = user;
    const { teamId } = (await call("POST", "/api/teams", { name: "T" }, { token })).body.team;
    await call("POST", `/api/teams/${teamId}/members`, { userId: other.userId, role: "admin" });
    await call("DELETE", `/api/teams/${teamId}/members/${other.userId}`);
    await call("PATCH", `/api/teams/${teamId}`, { name: "U" });
    await call("DELETE", `/api/teams/${teamId}`);
    await call("DELETE", `/api/users/${other.userId}`);
    const types = (await events()).map(({ type }) => type);
    expect([...new Set(types)].filter((type) => !type.startsWith("email."))).toEqual([
      "user.created",
      "trial.started",
      "api_key.created",
      "user.updated",
      "trial.ended",
      "api_key.revoked",
      "key.created",
      "key.rotated",
      "key.revoked",
      "team.created",
      "member.added",
      "member.removed",
      "team.updated",
      "team.deleted",
      "user.deleted",
    ]);
  });
});

it("an email that is cancelled is an event", async () => {
  await create(user, { events: ["email.*"] });
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const emailId = await acceptOne(user, { sendAt: at });
  await call("POST", `/api/emails/${emailId}/cancel`, undefined, { token: user.token });
  expect((await events()).map(({ type }) => type)).toEqual(["email.accepted", "email.cancelled"]);
});

it("a breaker that opens and closes is an event each time, and none between", async () => {
  await create(null, { events: ["breaker.*"] });
  const minute = 60_000;
  const evaluated = async (n: number, holds: boolean) => {
    const condition = { key: "breaker:cache", holds, forMs: minute, summary: "it is OPEN" };
    const options = { now: n * minute, newId: () => crypto.randomUUID(), recoveryMs: minute };
    await recordConditions(env.DB, [condition], options);
  };
  for (const [n, holds] of [false, true, true, true, false, false, false, true].entries())
    await evaluated(n, holds);
  const name = JSON.stringify({ name: "cache" });
  expect(await events()).toEqual(
    ["breaker.opened", "breaker.closed", "breaker.opened"].map((type) => ({
      type,
      tenant: "admin",
      data: name,
    })),
  );
});

it("the owner of a paused endpoint is its user, or an owner of its team", async () => {
  const { token, userId } = user;
  const { teamId } = (await call("POST", "/api/teams", { name: "T" }, { token })).body.team;
  const insert = env.DB.prepare(
    `INSERT INTO webhook_endpoints (id, tenant, url, events, secret, paused_because, paused_at,
       owner_notified, created_at, updated_at)
     VALUES (?1, ?1, '', '["*"]', '', 'failing', 1, 0, 1, 1)`,
  );
  const tenants = [`team:${teamId}`, `user:${userId}`, "admin", "team:none"];
  await env.DB.batch(tenants.map((tenant) => insert.bind(tenant)));
  const found = await pausedEndpoints(env.DB, 10);
  const { email } = (await call("GET", `/api/users/${userId}`)).body.user;
  const to = Object.fromEntries(found.map((one) => [one.tenant, one.email]));
  expect(tenants.map((tenant) => to[tenant])).toEqual([email, email, null, null]);
});

it("invitations have an event when they are made, accepted, declined and revoked", async () => {
  await create(null, { events: ["invitation.*"] });
  const guest = await signUpAs("free");
  const { token } = user;
  const { teamId } = (await call("POST", "/api/teams", { name: "T" }, { token })).body.team;
  const at = `/api/teams/${teamId}/invitations`;
  const invite = async (email: string): Promise<string> =>
    (await call("POST", at, { email }, { token })).body.invitation.id;
  const invitationId = await invite(guest.email);
  await call("POST", "/api/invitations/accept", { invitationId }, guest);
  await call("DELETE", `${at}/${await invite("gone@example.com")}`, undefined, { token });
  const declined = await invite(guest.email);
  await call("POST", "/api/invitations/decline", { invitationId: declined }, guest);
  const made = (await events()).map(({ type, tenant, data }) => {
    expect(tenant).toBe(`team:${teamId}`);
    return [type, JSON.parse(data) as Record<string, unknown>] as const;
  });
  expect(made.map(([type]) => type)).toEqual([
    "invitation.created",
    "invitation.accepted",
    "invitation.created",
    "invitation.revoked",
    "invitation.created",
    "invitation.declined",
  ]);
  const data = { invitationId, teamId, email: guest.email, role: "member" };
  expect(made[0]?.[1]).toEqual(data);
  expect(made[1]?.[1]).toEqual({ ...data, userId: guest.userId });
});

it("a person who unsubscribes from a category has an event, and an import has none", async () => {
  await create(null, { events: ["email.unsubscribed"] });
  const insert = (values: string) =>
    env.DB.prepare(
      `INSERT INTO scoped_suppressions (id, address, tenant, scope, reason, created_at, note)
       VALUES (${values})`,
    ).run();
  await insert("'s_1', 'a@b.cc', '', 'marketing', 'unsubscribe', 1, NULL");
  await insert("'s_2', 'd@e.ff', '', 'marketing', 'unsubscribe', 1, 'imported'");
  expect((await events()).map(({ data }) => JSON.parse(data) as unknown)).toEqual([
    { address: "a@b.cc", scope: "marketing" },
  ]);
});

it("a deleted account has no endpoint any more", async () => {
  await create(user);
  await call("DELETE", `/api/users/${user.userId}`);
  const left = await env.DB.prepare(
    `SELECT (SELECT COUNT(*) FROM webhook_endpoints)
       + (SELECT COUNT(*) FROM webhook_subscriptions) AS n`,
  ).first<number>("n");
  expect(left).toBe(0);
});

it("dead deliveries are replayed by type and time, and one by its id", async () => {
  const { id } = (await create(user)).body.endpoint;
  const { deliveryId } = (await call("POST", `${path}/${id}/test`)).body;
  const die = async () =>
    await env.DB.prepare("UPDATE deliveries SET status = 'dead', reason = 'exhausted'").run();
  const replay = async (body: object) =>
    (await call("POST", `${path}/${id}/replay`, body)).body.replayed;
  await die();
  expect(await replay({ type: "email.sent" })).toBe(0);
  expect(await replay({ until: "2026-01-01T00:00:00Z" })).toBe(0);
  expect(await replay({ type: "webhook.test", since: "2026-01-01T00:00:00Z" })).toBe(1);
  expect((await call("POST", `${path}/${id}/deliveries/${deliveryId}/replay`)).status).toBe(409);
  await die();
  expect((await call("POST", `${path}/${id}/deliveries/${deliveryId}/replay`)).status).toBe(202);
  const [delivery] = (await call("GET", `${path}/${id}/deliveries`)).body.items;
  expect(delivery).toMatchObject({ id: deliveryId, status: "pending", generation: 3, attempts: 0 });
});

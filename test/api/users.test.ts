import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, deadDatabase, rowsInAll } from "./support.ts";

let next = 0;
const newUser = () => {
  next += 1;
  return { userId: `user-${next}`, email: `user-${next}@example.com` };
};

async function signUp(): Promise<{ userId: string; email: string; apiKey: string }> {
  const user = newUser();
  const { body } = await call("POST", "/api/users", user);
  return { ...user, apiKey: body.apiKey as string };
}

describe("POST /api/users", () => {
  it("writes user, usage metrics, subscription and welcome mail, and shows the API key once", async () => {
    const user = newUser();
    const created = await call("POST", "/api/users", { ...user, tier: "pro" });

    expect(created.status).toBe(201);
    expect(created.headers.get("Location")).toBe(`/api/users/${user.userId}`);
    expect(created.body.user).toMatchObject({ ...user, tier: "pro", scopes: [] });
    expect(created.body.apiKey).toMatch(/^luna_[\w-]{43}$/);

    const read = await call("GET", `/api/users/${user.userId}`);
    expect(read.body).toEqual({ user: created.body.user });
    const usage = await env.DB.prepare("SELECT metric, amount FROM usage_metrics WHERE user_id = ? ORDER BY metric")
      .bind(user.userId)
      .all();
    expect(usage.results).toEqual(["apiRequests", "emailsSent", "storageBytes"].map((metric) => ({ metric, amount: 0 })));
    expect(await env.DB.prepare("SELECT status FROM subscriptions WHERE user_id = ?").bind(user.userId).first("status")).toBe("active");
    const mail = await env.DB.prepare("SELECT status, subject FROM emails WHERE to_address = ?").bind(user.email).first();
    expect(mail).toEqual({ status: "queued", subject: `Welcome to Luna, ${user.userId}` });
  });

  it("stores the API key as its SHA-256 and nowhere in clear", async () => {
    const { userId, apiKey } = await signUp();
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(apiKey));
    const row = await env.DB.prepare("SELECT * FROM users WHERE user_id = ?").bind(userId).first();
    expect(row?.["api_key_hash"]).toBe(new Uint8Array(digest).toHex());
    expect(JSON.stringify(row)).not.toContain(apiKey.slice(13));
  });

  describe("when a statement of the batch fails", () => {
    // Real failures of real statements: a trigger refuses the row.
    it.each([
      ["second", "usage_metrics"],
      ["third", "subscriptions"],
      ["fourth", "emails"],
    ])("writes nothing at all: the %s (%s)", async (_, table) => {
      const user = newUser();
      const before = await rowsInAll();
      await env.DB.prepare(`CREATE TRIGGER refuse BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`).run();
      const refused = await call("POST", "/api/users", user);
      await env.DB.prepare("DROP TRIGGER refuse").run();

      expect(refused.status).toBe(503);
      expect(refused.headers.get("Retry-After")).toBe("5");
      expect(await rowsInAll()).toEqual(before);
      expect((await call("POST", "/api/users", user)).status).toBe(201);
    });
  });

  it("knows that it succeeded although the reply of D1 was lost, and says that it cannot know when D1 stays silent", async () => {
    const user = newUser();
    const created = await callWith({ DB: losingReplies(env.DB) })("POST", "/api/users", user);
    expect(created.status).toBe(201);
    expect((await call("GET", "/api/me", undefined, { token: created.body.apiKey })).body.user.userId).toBe(user.userId);

    const unsure = await callWith({ DB: deadDatabase })("POST", "/api/users", newUser());
    expect(unsure).toMatchObject({ status: 503, body: { type: "urn:luna:problem:outcome-unknown" } });
  });

  it("lets exactly one of fifty concurrent sign-ups with one email win", async () => {
    const email = "contested@example.com";
    const before = await rowsInAll();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => call("POST", "/api/users", { userId: `racer-${n}`, email })));

    const statuses = answers.map((answer) => answer.status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([201, ...Array.from({ length: 49 }, () => 409)]);
    const after = await rowsInAll();
    const added = Object.fromEntries(Object.entries(after).map(([table, count]) => [table, count - (before[table] ?? 0)]));
    expect(added).toMatchObject({ users: 1, usage_metrics: 3, subscriptions: 1, emails: 1, email_events: 1 });
  });

  it.each([
    ["userId", { userId: "taken", email: "other@example.com" }],
    ["email", { userId: "other", email: "Taken@Example.com" }],
  ])("answers 409 naming a %s that is in use", async (field, duplicate) => {
    await call("POST", "/api/users", { userId: "taken", email: "taken@example.com" });
    const refused = await call("POST", "/api/users", duplicate);
    expect(refused.status).toBe(409);
    expect(refused.body.errors).toEqual([{ path: field, message: "is already in use" }]);
  });
});

describe("an account", () => {
  let user: Awaited<ReturnType<typeof signUp>>;
  beforeEach(async () => {
    user = await signUp();
  });

  it("is read by id, by email in any case, and as /api/me with its own key", async () => {
    const own = { token: user.apiKey };
    const answers = await Promise.all([
      call("GET", `/api/users/${user.userId}`),
      call("GET", `/api/users/${user.userId}`, undefined, own),
      call("GET", `/api/users?email=${user.email.toUpperCase()}`),
      call("GET", `/api/users?email=${user.email}`, undefined, own),
      call("GET", "/api/me", undefined, own),
    ]);
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body.user).toMatchObject({ userId: user.userId, email: user.email });
      expect(JSON.stringify(body)).not.toContain(user.apiKey);
    }
  });

  it("is changed field by field", async () => {
    const changed = await call("PATCH", `/api/users/${user.userId}`, {
      email: `new-${user.email}`,
      tier: "enterprise",
      scopes: ["emails:send"],
    });
    expect(changed.body.user).toMatchObject({ email: `new-${user.email}`, tier: "enterprise", scopes: ["emails:send"] });
    const again = await call("PATCH", `/api/users/${user.userId}`, { tier: "free" });
    expect(again.body.user).toMatchObject({ email: `new-${user.email}`, tier: "free", scopes: ["emails:send"] });
    expect((await call("GET", `/api/users?email=${user.email}`)).status).toBe(404);
  });

  it("does not take an address that another account has", async () => {
    const other = await signUp();
    const refused = await call("PATCH", `/api/users/${user.userId}`, { email: other.email });
    expect(refused.status).toBe(409);
    expect(refused.body.errors[0].path).toBe("email");
  });

  it("may change its own address but neither its tier nor its scopes", async () => {
    const own = { token: user.apiKey };
    expect((await call("PATCH", `/api/users/${user.userId}`, { email: `own-${user.email}` }, own)).status).toBe(200);
    const refused = await call("PATCH", `/api/users/${user.userId}`, { tier: "enterprise", scopes: ["emails:send"] }, own);
    expect(refused.status).toBe(403);
    expect(refused.body.detail).toContain("tier and scopes");
  });

  it("gets a new key on rotation, and the old one is refused at once", async () => {
    const rotated = await call("POST", `/api/users/${user.userId}/api-key`, undefined, { token: user.apiKey });
    expect(rotated.status).toBe(201);
    expect((await call("GET", "/api/me", undefined, { token: user.apiKey })).status).toBe(401);
    expect((await call("GET", "/api/me", undefined, { token: rotated.body.apiKey })).body.user.userId).toBe(user.userId);
  });

  it("is told its new key, or that it is deleted, although the reply of D1 was lost", async () => {
    const rotated = await callWith({ DB: losingReplies(env.DB) })("POST", `/api/users/${user.userId}/api-key`);
    expect(rotated.status).toBe(201);
    expect((await call("GET", "/api/me", undefined, { token: rotated.body.apiKey })).status).toBe(200);
    expect((await callWith({ DB: losingReplies(env.DB) })("DELETE", `/api/users/${user.userId}`)).status).toBe(204);
    expect((await call("GET", `/api/users/${user.userId}`)).status).toBe(404);
    expect((await callWith({ DB: losingReplies(env.DB) })("DELETE", "/api/users/never-was")).status).toBe(404);
  });

  it("is gone once deleted: key refused, address erased and free again, id not", async () => {
    expect((await call("DELETE", `/api/users/${user.userId}`)).status).toBe(204);
    expect((await call("GET", "/api/me", undefined, { token: user.apiKey })).status).toBe(401);
    for (const [method, path, body] of [
      ["GET", `/api/users/${user.userId}`],
      ["GET", `/api/users?email=${user.email}`],
      ["PATCH", `/api/users/${user.userId}`, { tier: "pro" }],
      ["POST", `/api/users/${user.userId}/api-key`],
      ["DELETE", `/api/users/${user.userId}`],
    ] as const) {
      expect((await call(method, path, body)).status, `${method} ${path}`).toBe(404);
    }
    expect(JSON.stringify(await env.DB.prepare("SELECT * FROM users WHERE user_id = ?").bind(user.userId).first())).not.toContain(
      user.email,
    );
    expect((await call("POST", "/api/users", { userId: user.userId, email: "x@example.com" })).status).toBe(409);
    expect((await call("POST", "/api/users", { userId: `${user.userId}-again`, email: user.email })).status).toBe(201);
  });

  it("is closed to every other user's key", async () => {
    const { apiKey: token } = await signUp();
    for (const [method, path, body] of [
      ["GET", `/api/users/${user.userId}`],
      ["GET", `/api/users?email=${user.email}`],
      ["PATCH", `/api/users/${user.userId}`, { email: "stolen@example.com" }],
      ["POST", `/api/users/${user.userId}/api-key`],
      ["DELETE", `/api/users/${user.userId}`],
      ["POST", "/api/users", newUser()],
    ] as const) {
      expect((await call(method, path, body, { token })).status, `${method} ${path}`).toBe(403);
    }
    expect((await call("GET", `/api/users?email=nobody@example.com`, undefined, { token })).status).toBe(403);
  });
});

describe("when a user was last seen", () => {
  const seen = async (userId: string) =>
    await env.DB.prepare("SELECT last_seen_at AS at FROM user_activity WHERE user_id = ?").bind(userId).first<number>("at");

  it("is noted beside a request with their key, not with the admin's, and forgotten with the account", async () => {
    const { userId, apiKey } = await signUp();
    await call("GET", `/api/users/${userId}`);
    expect(await seen(userId)).toBeNull();
    const before = Date.now();
    expect((await call("GET", "/api/me", undefined, { token: apiKey })).status).toBe(200);
    await vi.waitFor(async () => expect(await seen(userId)).toBeGreaterThanOrEqual(before));
    await call("DELETE", `/api/users/${userId}`);
    expect(await seen(userId)).toBeNull();
  });
});

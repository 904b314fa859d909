import { env } from "cloudflare:workers";
import * as v from "valibot";
import { beforeEach, describe, expect, it } from "vitest";
import * as contract from "../../shared/contract/users.ts";
import { eventually } from "../support/eventually.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, deadDatabase, rowsInAll, signUpAs } from "./support.ts";

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
  it("writes user, metrics, subscription and welcome email, and shows the key once", async () => {
    const user = newUser();
    const created = await call("POST", "/api/users", { ...user, tier: "pro" });

    expect(created.status).toBe(201);
    expect(created.headers.get("Location")).toBe(`/api/users/${user.userId}`);
    expect(created.body.user).toMatchObject({ ...user, tier: "pro", scopes: [] });
    expect(created.body.apiKey).toMatch(/^luna_[\w-]{43}$/);

    const read = await call("GET", `/api/users/${user.userId}`);
    expect(read.body).toEqual({ user: created.body.user });
    const usage = await env.DB.prepare(
      "SELECT metric, amount FROM usage_metrics WHERE user_id = ? ORDER BY metric",
    )
      .bind(user.userId)
      .all();
    expect(usage.results, "what Luna counts itself").toEqual([{ metric: "emailsSent", amount: 0 }]);
    const { createdAt } = created.body.user;
    const trialEndsAt = new Date(Date.parse(createdAt) + 14 * 86_400_000).toISOString();
    const subscription = await call("GET", `/api/users/${user.userId}/subscription`);
    expect(subscription.body).toMatchObject({
      tier: "pro",
      status: "trialing",
      startedAt: createdAt,
      trialEndsAt,
      endedAt: null,
    });
    const email = await env.DB.prepare("SELECT status, subject FROM emails WHERE to_address = ?")
      .bind(user.email)
      .first();
    expect(email).toEqual({ status: "queued", subject: `Welcome to Luna, ${user.userId}` });
  });

  it("begins with a trial of 14 days in paid tiers, and without one in the free tier", async () => {
    for (const [tier, status] of [
      ["free", "active"],
      ["pro", "trialing"],
      ["enterprise", "trialing"],
    ] as const) {
      const { userId } = await signUpAs(tier);
      const { body } = await call("GET", `/api/users/${userId}/subscription`);
      expect(body.status).toBe(status);
      expect(body.trialEndsAt === null).toBe(tier === "free");
    }
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
      await env.DB.prepare(
        `CREATE TRIGGER refuse BEFORE INSERT ON ${table}
         BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
      ).run();
      const refused = await call("POST", "/api/users", user);
      await env.DB.prepare("DROP TRIGGER refuse").run();

      expect(refused.status).toBe(503);
      expect(refused.headers.get("Retry-After")).toBe("5");
      expect(await rowsInAll()).toEqual(before);
      expect((await call("POST", "/api/users", user)).status).toBe(201);
    });
  });

  it("succeeds after a lost reply of D1; with a silent D1 the outcome is unknown", async () => {
    const user = newUser();
    const created = await callWith({ DB: losingReplies(env.DB) })("POST", "/api/users", user);
    expect(created.status).toBe(201);
    expect(
      (await call("GET", "/api/me", undefined, { token: created.body.apiKey })).body.user.userId,
    ).toBe(user.userId);

    const unsure = await callWith({ DB: deadDatabase })("POST", "/api/users", newUser());
    expect(unsure).toMatchObject({
      status: 503,
      body: { type: "urn:luna:problem:outcome-unknown" },
    });
  });

  it("lets exactly one of fifty concurrent sign-ups with one email win", async () => {
    const email = "contested@example.com";
    const before = await rowsInAll();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        call("POST", "/api/users", { userId: `racer-${n}`, email }),
      ),
    );

    const statuses = answers.map((answer) => answer.status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([201, ...Array.from({ length: 49 }, () => 409)]);
    const after = await rowsInAll();
    const added = Object.fromEntries(
      Object.entries(after).map(([table, count]) => [table, count - (before[table] ?? 0)]),
    );
    expect(added).toMatchObject({
      users: 1,
      usage_metrics: 1,
      subscriptions: 1,
      emails: 1,
      email_events: 1,
    });
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
    expect(changed.body.user).toMatchObject({
      email: `new-${user.email}`,
      tier: "enterprise",
      scopes: ["emails:send"],
    });
    const again = await call("PATCH", `/api/users/${user.userId}`, { tier: "free" });
    expect(again.body.user).toMatchObject({
      email: `new-${user.email}`,
      tier: "free",
      scopes: ["emails:send"],
    });
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
    expect(
      (await call("PATCH", `/api/users/${user.userId}`, { email: `own-${user.email}` }, own))
        .status,
    ).toBe(200);
    const refused = await call(
      "PATCH",
      `/api/users/${user.userId}`,
      { tier: "enterprise", scopes: ["emails:send"] },
      own,
    );
    expect(refused.status).toBe(403);
    expect(refused.body.detail).toContain("tier and scopes");
  });

  it("gets a new key on rotation, and the old one is refused at once", async () => {
    const rotated = await call("POST", `/api/users/${user.userId}/api-key`, undefined, {
      token: user.apiKey,
    });
    expect(rotated.status).toBe(201);
    expect((await call("GET", "/api/me", undefined, { token: user.apiKey })).status).toBe(401);
    expect(
      (await call("GET", "/api/me", undefined, { token: rotated.body.apiKey })).body.user.userId,
    ).toBe(user.userId);
  });

  it("has an active subscription without a trial once the admin names its tier", async () => {
    const subscription = async ({ userId }: { userId: string }) =>
      (await call("GET", `/api/users/${userId}/subscription`)).body;
    for (const tier of ["free", "pro", "enterprise"] as const) {
      const trying = await signUpAs("pro");
      expect((await subscription(trying)).status).toBe("trialing");
      await call("PATCH", `/api/users/${trying.userId}`, { email: `new-${trying.email}` });
      expect((await subscription(trying)).status).toBe("trialing");
      await call("PATCH", `/api/users/${trying.userId}`, { tier });
      expect(await subscription(trying)).toMatchObject({
        tier,
        status: "active",
        trialEndsAt: null,
        endedAt: null,
      });
    }
    await env.DB.prepare(
      `UPDATE subscriptions SET status = 'cancelled', started_at = 0, ended_at = 1
       WHERE user_id = ?`,
    )
      .bind(user.userId)
      .run();
    const { body } = await call("PATCH", `/api/users/${user.userId}`, { tier: "pro" });
    expect(await subscription(user)).toMatchObject({
      status: "active",
      startedAt: body.user.updatedAt,
      endedAt: null,
    });
  });

  it("keeps its trial if the batch that changes its tier fails", async () => {
    const trying = await signUpAs("pro");
    await env.DB.prepare(
      `CREATE TRIGGER refuse BEFORE UPDATE ON subscriptions
       BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
    ).run();
    const failed = await call("PATCH", `/api/users/${trying.userId}`, { tier: "enterprise" });
    await env.DB.prepare("DROP TRIGGER refuse").run();
    expect(failed.status).toBe(503);
    const { body } = await call("GET", `/api/users/${trying.userId}/subscription`, undefined, {
      headers: { "Cache-Control": "no-cache" },
    });
    expect(body).toMatchObject({ tier: "pro", status: "trialing" });
  });

  it("loses a revoked key until the admin creates one, and can still be changed", async () => {
    const own = { token: user.apiKey };
    expect((await call("GET", "/api/me", undefined, own)).body.user.apiKeyPrefix).toBe(
      user.apiKey.slice(0, 12),
    );
    expect((await call("DELETE", `/api/users/${user.userId}/api-key`, undefined, own)).status).toBe(
      204,
    );
    expect((await call("GET", "/api/me", undefined, own)).status).toBe(401);
    expect((await call("GET", `/api/users/${user.userId}`)).body.user.apiKeyPrefix).toBeNull();
    expect((await call("DELETE", `/api/users/${user.userId}/api-key`)).status).toBe(204);
    expect((await call("DELETE", "/api/users/never-was/api-key")).status).toBe(404);
    const row = await env.DB.prepare(
      "SELECT api_key_hash, api_key_prefix FROM users WHERE user_id = ?",
    )
      .bind(user.userId)
      .first();
    expect(row).toEqual({ api_key_hash: null, api_key_prefix: null });

    // What a write to it owes the cache has names alone.
    await env.DB.prepare(
      "CREATE TRIGGER keep BEFORE DELETE ON purge_intents BEGIN SELECT RAISE(IGNORE); END",
    ).run();
    await call("PATCH", `/api/users/${user.userId}`, { tier: "pro" });
    const tags = await env.DB.prepare(
      "SELECT tags FROM purge_intents WHERE tags LIKE '%' || ? || '%'",
    )
      .bind(user.email)
      .first<string>("tags");
    await env.DB.prepare("DROP TRIGGER keep").run();
    await env.DB.prepare("DELETE FROM purge_intents").run();
    expect(JSON.parse(tags ?? "null")).toEqual([`email:${user.email}`, `user:${user.userId}`]);
    expect(
      (await call("POST", "/api/admin/cache/invalidate", { userId: user.userId })).status,
    ).toBe(200);

    const { body } = await call("POST", `/api/users/${user.userId}/api-key`);
    expect((await call("GET", "/api/me", undefined, { token: body.apiKey })).body.user).toEqual(
      body.user,
    );
  });

  it("has its key revoked for sure although the reply of D1 was lost", async () => {
    expect(
      (await callWith({ DB: losingReplies(env.DB) })("DELETE", `/api/users/${user.userId}/api-key`))
        .status,
    ).toBe(204);
    expect((await call("GET", "/api/me", undefined, { token: user.apiKey })).status).toBe(401);
    expect(
      (await callWith({ DB: deadDatabase })("DELETE", `/api/users/${user.userId}/api-key`)).body
        .type,
    ).toBe("urn:luna:problem:outcome-unknown");
  });

  it("costs one load of D1 for the key and all that a page of the user reads", async () => {
    const isolate = callWith({});
    const token = { token: user.apiKey };
    const readStatus = async (path: string): Promise<string> =>
      (await isolate("GET", path, undefined, token)).headers.get("Cache-Status") ?? "";
    const found = [
      await readStatus("/api/me"),
      await readStatus(`/api/users/${user.userId}`),
      await readStatus(`/api/users/${user.userId}/permissions`),
      await readStatus(`/api/users/${user.userId}/subscription`),
      await readStatus(`/api/users/${user.userId}/usage`),
    ];
    expect(found.map((status) => status.split(";")[1]?.trim())).toEqual([
      "fwd=uri-miss",
      "hit",
      "hit",
      "hit",
      "hit",
    ]);
  });

  it("gets its new key, or its deletion confirmed, after a lost reply of D1", async () => {
    const rotated = await callWith({ DB: losingReplies(env.DB) })(
      "POST",
      `/api/users/${user.userId}/api-key`,
    );
    expect(rotated.status).toBe(201);
    expect((await call("GET", "/api/me", undefined, { token: rotated.body.apiKey })).status).toBe(
      200,
    );
    expect(
      (await callWith({ DB: losingReplies(env.DB) })("DELETE", `/api/users/${user.userId}`)).status,
    ).toBe(204);
    // The isolate that deleted it has a tag index of its own.
    expect((await callWith({})("GET", `/api/users/${user.userId}`)).status).toBe(404);
    expect(
      (await callWith({ DB: losingReplies(env.DB) })("DELETE", "/api/users/never-was")).status,
    ).toBe(404);
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
    expect(
      JSON.stringify(
        await env.DB.prepare("SELECT * FROM users WHERE user_id = ?").bind(user.userId).first(),
      ),
    ).not.toContain(user.email);
    expect(
      (await call("POST", "/api/users", { userId: user.userId, email: "x@example.com" })).status,
    ).toBe(409);
    expect(
      (await call("POST", "/api/users", { userId: `${user.userId}-again`, email: user.email }))
        .status,
    ).toBe(201);
  });

  it("leaves its teams when deleted, and deletes its workspaces and solo teams", async () => {
    const [gone, other] = [await signUpAs("enterprise"), await signUpAs("pro")];
    const team = async (name: string, owner: { token: string }) => {
      const { body } = await call("POST", "/api/teams", { name }, owner);
      return body.team.teamId as string;
    };
    const [alone, shared, joined] = [
      await team("Alone", gone),
      await team("Shared", gone),
      await team("Joined", other),
    ];
    await call("POST", `/api/teams/${shared}/members`, { userId: other.userId, role: "owner" });
    await call("POST", `/api/teams/${joined}/members`, { userId: gone.userId, role: "admin" });
    for (const teamId of [undefined, alone, shared, joined])
      await call("POST", "/api/workspaces", { name: `Of ${teamId}`, teamId }, gone);
    await env.DB.batch([
      env.DB.prepare("INSERT INTO usage_reports VALUES (?1, '2026-11-23')").bind(gone.userId),
      env.DB.prepare("INSERT INTO usage_daily VALUES (?1, 'apiRequests', '2026-11-23', 1, 1)").bind(
        gone.userId,
      ),
    ]);
    expect((await call("DELETE", `/api/users/${gone.userId}`, undefined, gone)).status).toBe(204);

    const left = async (sql: string) =>
      (await env.DB.prepare(sql).bind(gone.userId).all()).results.flatMap(Object.values);
    expect(await left("SELECT team_id FROM team_members WHERE user_id = ?1")).toEqual([]);
    expect((await left("SELECT team_id FROM workspaces WHERE owner_id = ?1")).toSorted()).toEqual(
      [shared, joined].toSorted(),
    );
    expect(await left("SELECT week FROM usage_reports WHERE user_id = ?1")).toEqual([]);
    expect(await left("SELECT amount FROM usage_daily WHERE user_id = ?1")).toEqual([1]);
    expect((await call("GET", `/api/teams/${alone}`)).status).toBe(404);
    for (const teamId of [shared, joined])
      expect((await call("GET", `/api/teams/${teamId}`)).body.members).toMatchObject([
        { userId: other.userId, role: "owner" },
      ]);
    expect(
      (await call("GET", `/api/users/${other.userId}/workspaces`)).body.workspaces,
    ).toHaveLength(2);
  });

  it("takes its solo teams out of the cached lists of users who were added to them", async () => {
    const [gone, added] = [await signUpAs("pro"), await signUpAs("free")];
    const { team } = (await call("POST", "/api/teams", { name: "Alone" }, gone)).body;
    await call("POST", `/api/teams/${team.teamId}/members`, { userId: added.userId }, gone);
    const pending = async () =>
      (await call("GET", `/api/users/${added.userId}/teams`)).body.pending as unknown[];
    expect(await pending()).toHaveLength(1);
    expect((await call("DELETE", `/api/users/${gone.userId}`)).status).toBe(204);
    expect(await pending()).toEqual([]);
  });

  it("is not deleted while it is the last owner of a team with other members", async () => {
    const [owner, member] = [await signUpAs("pro"), await signUpAs("free")];
    const { body } = await call("POST", "/api/teams", { name: "Core" }, owner);
    const members = `/api/teams/${body.team.teamId}/members`;
    await call("POST", members, { userId: member.userId });
    await call("POST", "/api/workspaces", { name: "Mine" }, owner);
    const before = await rowsInAll();
    const refused = await call("DELETE", `/api/users/${owner.userId}`, undefined, owner);
    expect(refused).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining("last owner") },
    });
    expect(await rowsInAll()).toEqual(before);
    expect((await call("GET", "/api/me", undefined, owner)).body.user.email).toBe(owner.email);
    expect((await call("GET", `/api/users/${owner.userId}/subscription`)).body.status).toBe(
      "trialing",
    );
    await call("POST", members, { userId: member.userId, role: "owner" }, owner);
    expect((await call("DELETE", `/api/users/${owner.userId}`, undefined, owner)).status).toBe(204);
  });

  it("is deleted in whole or not at all", async () => {
    const gone = await signUpAs("pro");
    await call("POST", "/api/teams", { name: "Alone" }, gone);
    await call("POST", "/api/workspaces", { name: "Mine" }, gone);
    const before = await rowsInAll();
    await env.DB.prepare(
      `CREATE TRIGGER refuse BEFORE DELETE ON workspaces
       BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
    ).run();
    const failed = await call("DELETE", `/api/users/${gone.userId}`);
    await env.DB.prepare("DROP TRIGGER refuse").run();
    expect(failed).toMatchObject({ status: 503, body: { type: "urn:luna:problem:unavailable" } });
    expect(await rowsInAll()).toEqual(before);
    expect((await call("GET", "/api/me", undefined, gone)).status).toBe(200);
  });

  it("is closed to every other user's key", async () => {
    const { apiKey: token } = await signUp();
    for (const [method, path, body] of [
      ["GET", `/api/users/${user.userId}`],
      ["GET", `/api/users?email=${user.email}`],
      ["PATCH", `/api/users/${user.userId}`, { email: "stolen@example.com" }],
      ["POST", `/api/users/${user.userId}/api-key`],
      ["DELETE", `/api/users/${user.userId}/api-key`],
      ["POST", `/api/users/${user.userId}/usage`, { metric: "m", amount: 1 }],
      ["GET", `/api/users/${user.userId}/usage/history`],
      ["GET", `/api/users/${user.userId}/export`],
      ["GET", "/api/admin/users"],
      ["DELETE", `/api/users/${user.userId}`],
      ["POST", "/api/users", newUser()],
    ] as const) {
      expect((await call(method, path, body, { token })).status, `${method} ${path}`).toBe(403);
    }
    expect(
      (await call("GET", `/api/users?email=nobody@example.com`, undefined, { token })).status,
    ).toBe(403);
  });
});

describe("GET /api/users/:userId/export", () => {
  it("has all data of the user and of no other, straight from D1", async () => {
    const [ada, bob] = [await signUpAs("pro"), await signUpAs("pro")];
    const { team } = (await call("POST", "/api/teams", { name: "Core" }, ada)).body;
    const { workspace } = (await call("POST", "/api/workspaces", { name: "Mine" }, ada)).body;
    await call("POST", "/api/teams", { name: "Other" }, bob);
    await call("POST", "/api/workspaces", { name: "Theirs" }, bob);
    await call("POST", `/api/users/${ada.userId}/usage`, { metric: "requests", amount: 7 }, ada);
    await call("PATCH", `/api/users/${ada.userId}`, { tier: "pro", scopes: ["emails:send"] });
    const email = (
      await call(
        "POST",
        "/api/emails",
        { to: "x@example.com", subject: "Hi", text: "A secret" },
        ada,
      )
    ).body;
    await env.DB.batch(
      [ada, bob].flatMap(({ userId }) => [
        env.DB.prepare("INSERT INTO usage_daily VALUES (?1, 'requests', '2026-11-24', 3, 3)").bind(
          userId,
        ),
        env.DB.prepare("INSERT INTO usage_monthly VALUES (?1, 'requests', '2026-10', 40)").bind(
          userId,
        ),
      ]),
    );
    await eventually(async () =>
      expect((await call("GET", `/api/users/${ada.userId}/export`)).body.lastSeenAt).not.toBeNull(),
    );
    for (const [domain, userId] of [
      ["acme.example", ada.userId],
      ["other.example", bob.userId],
    ]) {
      const sender = { domain, tenant: `user:${userId}`, name: "Acme" };
      await call("POST", "/api/admin/email/senders", sender);
    }
    const { status, body } = await call("GET", `/api/users/${ada.userId}/export`, undefined, ada);
    expect(status).toBe(200);
    const { user } = (await call("GET", "/api/me", undefined, ada)).body;
    expect(body).toEqual({
      exportedAt: expect.any(String),
      user,
      lastSeenAt: expect.any(String),
      addressChange: null,
      subscription: (await call("GET", `/api/users/${ada.userId}/subscription`)).body,
      usage: { emailsSent: 0, requests: 7 },
      usageByDay: [{ metric: "requests", day: "2026-11-24", amount: 3 }],
      usageByMonth: [{ metric: "requests", month: "2026-10", amount: 40 }],
      teams: [{ teamId: team.teamId, name: "Core", role: "owner", joinedAt: team.createdAt }],
      pendingTeams: [],
      workspaces: [workspace],
      invitations: [],
      invitationsSent: [],
      senders: [
        {
          sender: "acme.example",
          name: "Acme",
          createdAt: expect.any(String),
          verifiedAt: expect.any(String),
        },
      ],
      emails: [
        { id: email.id, subject: "Hi", status: expect.any(String), createdAt: expect.any(String) },
      ],
      emailsReceived: [],
    });
    expect(v.is(contract.exportUser.answers[200], body)).toBe(true);
    await call("DELETE", `/api/users/${ada.userId}`);
    expect((await call("GET", `/api/users/${ada.userId}/export`)).status).toBe(404);
    expect(
      (await callWith({ DB: deadDatabase })("GET", `/api/users/${bob.userId}/export`)).status,
    ).toBe(503);
  });
});

describe("GET /api/admin/users", () => {
  it("lists every user, newest first, also those created at the same moment", async () => {
    await env.DB.batch([
      env.DB.prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7)
         INSERT INTO users (user_id, email, tier, created_at, updated_at, deleted_at)
         SELECT 'listed-' || i, 'listed-' || i, 'free', 4e12 + i / 3, 0, IIF(i = 4, 1, NULL)
         FROM n`,
      ),
    ]);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { body } = await call(
        "GET",
        `/api/admin/users?limit=4${cursor === undefined ? "" : `&cursor=${cursor}`}`,
      );
      seen.push(...body.items.map(({ userId }: { userId: string }) => userId));
      cursor = body.nextCursor;
    } while (cursor !== undefined);
    expect(seen.slice(0, 6)).toEqual([7, 6, 5, 3, 2, 1].map((n) => `listed-${n}`));
    expect(new Set(seen).size).toBe(seen.length);
    const alive = await env.DB.prepare(
      "SELECT COUNT(*) AS n FROM users WHERE deleted_at IS NULL",
    ).first("n");
    expect(seen).toHaveLength(Number(alive));
    const { results } = await env.DB.prepare(
      `EXPLAIN QUERY PLAN SELECT user_id FROM users
       WHERE deleted_at IS NULL AND (created_at, user_id) < (1, 'x')
       ORDER BY created_at DESC, user_id DESC LIMIT 5`,
    ).all();
    expect(JSON.stringify(results)).toContain("users_by_age");
    expect((await call("GET", "/api/admin/users?limit=0")).status).toBe(422);
    await env.DB.prepare("DELETE FROM users WHERE user_id LIKE 'listed-%'").run();
  });
});

describe("when a user was last seen", () => {
  const seen = async (userId: string) =>
    await env.DB.prepare("SELECT last_seen_at AS at FROM user_activity WHERE user_id = ?")
      .bind(userId)
      .first<number>("at");

  it("is noted for the user's key, not the admin's, and deleted with the user", async () => {
    const { userId, apiKey } = await signUp();
    await call("GET", `/api/users/${userId}`);
    expect(await seen(userId)).toBeNull();
    const before = Date.now();
    expect((await call("GET", "/api/me", undefined, { token: apiKey })).status).toBe(200);
    await eventually(async () => expect(await seen(userId)).toBeGreaterThanOrEqual(before));
    await call("DELETE", `/api/users/${userId}`);
    expect(await seen(userId)).toBeNull();
  });
});

describe("eight rotations of a key at once", () => {
  const rotateAtOnce = async (by: { token?: string }, userId: string) => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call("POST", `/api/users/${userId}/api-key`, undefined, by)),
    );
    const won = answers.filter(({ status }) => status === 201).map(({ body }) => body.apiKey);
    return { won, lost: answers.map(({ status }) => status).filter((status) => status !== 201) };
  };
  const isRight = async (token: string) =>
    (await call("GET", "/api/me", undefined, { token })).status === 200;

  it("by the admin: one replaces it, the others get 409", async () => {
    const { userId, token } = await signUpAs("free");
    const { won, lost } = await rotateAtOnce({}, userId);
    expect(lost).toEqual(Array.from({ length: 7 }, () => 409));
    expect([await isRight(won[0]), await isRight(token)]).toEqual([true, false]);
  });

  it("by the user: one replaces it; the others get 409, or 401 once the key is refused", async () => {
    const { userId, token } = await signUpAs("free");
    const { won, lost } = await rotateAtOnce({ token }, userId);
    expect(won).toHaveLength(1);
    expect(lost.filter((status) => ![401, 409].includes(status))).toEqual([]);
    expect([await isRight(won[0]), await isRight(token)]).toEqual([true, false]);
  });
});

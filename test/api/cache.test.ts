import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { relatedReads } from "../../shared/accounts/rules/keys.ts";
import type { CacheTagIndex } from "../../shared/lib/cache/tags/object/object.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { call, callWith, deadDatabase, rowsInAll } from "./support.ts";

let next = 0;
const newUser = () => {
  next += 1;
  return { userId: `cached-${next}`, email: `cached-${next}@example.com` };
};
type Call = typeof call;

async function signUp(by: Call = call): Promise<{ userId: string; email: string; apiKey: string }> {
  const user = newUser();
  const { status, body } = await by("POST", "/api/users", user);
  expect(status).toBe(201);
  return { ...user, apiKey: body.apiKey as string };
}

/**
 * An isolate of its own, with the index and the KV of the others. One load of an account brings
 * several keys into its memory, so a test that is about each key reads it in another isolate.
 */
function newIsolate(): Call {
  const index = { getByName: (name: string) => env.CACHE_TAG_INDEX.getByName(name) };
  return callWith({ CACHE_TAG_INDEX: index as ApiEnv["CACHE_TAG_INDEX"] });
}

/** Reads each path in an isolate of its own, so that KV has every key. */
async function fillKv(paths: readonly string[]): Promise<void> {
  for (const path of paths) await newIsolate()("GET", path);
}

const how = async (path: string, by: Call = call): Promise<string | null> =>
  (await by("GET", path)).headers.get("Cache-Status");
const intents = async (): Promise<{ tags: string }[]> =>
  (await env.DB.prepare("SELECT tags FROM purge_intents").all<{ tags: string }>()).results;

/** An index that can be taken down. */
function switchedIndex() {
  const state = { down: false };
  const getByName = (name: string): unknown => {
    const stub = env.CACHE_TAG_INDEX.getByName(`switched-${name}-${next}`);
    const ask = async <Reply>(reply: () => Promise<Reply>): Promise<Reply> => {
      if (state.down) throw new Error("Durable Object is overloaded.");
      return await reply();
    };
    return {
      sync: (request: Parameters<CacheTagIndex["sync"]>[0]) =>
        ask(async () => await stub.sync(request)),
      purge: (request: Parameters<CacheTagIndex["purge"]>[0]) =>
        ask(async () => await stub.purge(request)),
      inspect: (request: Parameters<CacheTagIndex["inspect"]>[0]) =>
        ask(async () => await stub.inspect(request)),
    };
  };
  return Object.assign(state, { binding: { getByName } as unknown as ApiEnv["CACHE_TAG_INDEX"] });
}

/** Every path under which a user is read. */
const pathsOf = ({ userId, email }: { userId: string; email: string }): string[] => [
  `/api/users/${userId}`,
  `/api/users?email=${email}`,
  ...relatedReads.map((what) => `/api/users/${userId}/${what}`),
];

afterEach(() => vi.restoreAllMocks());

describe("every read of an account", () => {
  it("is cached, and Cache-Status shows it", async () => {
    const user = await signUp();
    for (const path of pathsOf(user)) {
      const isolate = newIsolate();
      expect(await how(path, isolate), path).toBe("luna; fwd=uri-miss; stored");
      expect(await how(path, isolate), path).toMatch(/^luna; hit; ttl=\d+; detail=l1$/);
      expect(await how(path, newIsolate()), path).toMatch(/^luna; hit; ttl=\d+; detail=l2$/);
    }
    const own = { token: user.apiKey };
    expect((await call("GET", "/api/me", undefined, own)).headers.get("Cache-Status")).toBe(
      "luna; fwd=uri-miss; stored",
    );
    expect((await call("GET", "/api/me", undefined, own)).headers.get("Cache-Status")).toContain(
      "hit",
    );
  });

  it("serves a user's permissions, subscription, usage, teams and workspaces", async () => {
    const { userId } = await signUp();
    await call("PATCH", `/api/users/${userId}`, { tier: "pro", scopes: ["emails:send"] });
    const at = 1_700_000_000_000;
    await env.DB.batch([
      env.DB.prepare("INSERT INTO teams VALUES (?1, 'Core', ?2)").bind(`team-${userId}`, at),
      env.DB.prepare("INSERT INTO team_members VALUES (?1, ?2, 'owner', ?3)").bind(
        `team-${userId}`,
        userId,
        at,
      ),
      env.DB.prepare("INSERT INTO workspaces VALUES (?1, NULL, ?2, 'Mine', ?3)").bind(
        `own-${userId}`,
        userId,
        at,
      ),
      env.DB.prepare("INSERT INTO workspaces VALUES (?1, ?2, ?3, 'Ours', ?4)").bind(
        `our-${userId}`,
        `team-${userId}`,
        userId,
        at + 1,
      ),
    ]);
    const read = async (what: string) => (await call("GET", `/api/users/${userId}/${what}`)).body;
    const joinedAt = new Date(at).toISOString();
    expect(await read("permissions")).toEqual({
      userId,
      tier: "pro",
      permissions: ["workspaces:create", "teams:create", "teams:invite", "emails:send"],
      teams: [
        {
          teamId: `team-${userId}`,
          role: "owner",
          permissions: [
            "team:read",
            "team:invite",
            "workspaces:create",
            "team:manage-roles",
            "team:manage",
          ],
        },
      ],
    });
    expect(await read("subscription")).toMatchObject({
      userId,
      tier: "pro",
      status: "active",
      trialEndsAt: null,
      endedAt: null,
    });
    expect(await read("usage")).toEqual({
      userId,
      usage: { emailsSent: 0 },
    });
    expect(await read("teams")).toEqual({
      userId,
      teams: [{ teamId: `team-${userId}`, name: "Core", role: "owner", joinedAt }],
      pending: [],
    });
    expect(await read("workspaces")).toEqual({
      userId,
      workspaces: [
        { workspaceId: `own-${userId}`, name: "Mine", teamId: null, createdAt: joinedAt },
        {
          workspaceId: `our-${userId}`,
          name: "Ours",
          teamId: `team-${userId}`,
          createdAt: new Date(at + 1).toISOString(),
        },
      ],
    });
    // Every entry about a team carries its tag.
    await call("POST", "/api/admin/cache/invalidate", { tags: [`team:team-${userId}`] });
    for (const what of ["permissions", "teams", "workspaces"])
      expect(await how(`/api/users/${userId}/${what}`)).toContain("fwd");
    for (const what of ["subscription", "usage"])
      expect(await how(`/api/users/${userId}/${what}`)).toContain("hit");
  });

  it("of another user is refused and never answered from the cache", async () => {
    const [ada, eve] = [await signUp(), await signUp()];
    for (const path of pathsOf(ada)) {
      await call("GET", path);
      expect((await call("GET", path, undefined, { token: eve.apiKey })).status, path).toBe(403);
    }
    for (const path of pathsOf(eve))
      expect(JSON.stringify((await call("GET", path)).body)).not.toContain(ada.userId);
  });

  it("of an absent user is a 404 that is cached briefly, until the user exists", async () => {
    const user = newUser();
    const paths = pathsOf(user);
    for (const path of paths) {
      expect(await call("GET", path), path).toMatchObject({ status: 404 });
      expect(await how(path), path).toMatch(/^luna; hit; ttl=\d; detail=l1$|ttl=10/);
    }
    await call("POST", "/api/users", user);
    for (const path of paths) expect((await call("GET", path)).status, path).toBe(200);
  });

  it.each(["x".repeat(1_100), "ada:usage", "ada%3Ausage", "*", "-"])(
    "of an invalid id is a 404 that leaves no trace: %s",
    async (id) => {
      const user = await signUp();
      for (const method of ["GET", "DELETE"])
        expect((await call(method, `/api/users/${id}`)).status).toBe(404);
      expect((await call("PATCH", `/api/users/${id}`, { tier: "pro" })).status).toBe(404);
      expect(await intents()).toEqual([]);
      await call("GET", `/api/users/${user.userId}`);
      expect(await how(`/api/users/${user.userId}`)).toContain("hit");
    },
  );

  it.each(["no-cache", "no-store", "max-age=0"])(
    "is strict for a request with Cache-Control: %s",
    async (wanted) => {
      const { userId } = await signUp();
      // The same index behind a binding of its own: another isolate, whose write this one has to
      // hear of.
      const sameIndex = {
        getByName: (name: string) => env.CACHE_TAG_INDEX.getByName(name),
      } as ApiEnv["CACHE_TAG_INDEX"];
      const other = callWith({ CACHE_TAG_INDEX: sameIndex });
      await call("GET", `/api/users/${userId}`);
      const strict = { headers: { "Cache-Control": wanted } };
      expect(
        (await call("GET", `/api/users/${userId}`, undefined, strict)).headers.get("Cache-Status"),
      ).toContain("hit");
      await other("PATCH", `/api/users/${userId}`, { tier: "pro" });
      expect((await call("GET", `/api/users/${userId}`, undefined, strict)).body.user.tier).toBe(
        "pro",
      );
    },
  );
});

describe("what is refused before anything is read", () => {
  it.each<
    [
      number,
      string,
      (user: { userId: string }, other: { apiKey: string }) => [string, string | null],
    ]
  >([
    [401, "no token", ({ userId }) => [`/api/users/${userId}`, null]],
    [403, "another's key", ({ userId }, { apiKey }) => [`/api/users/${userId}`, apiKey]],
    [422, "no address", () => ["/api/users?email=nobody", ADMIN_TOKEN]],
  ])("has no Cache-Status: %i for %s", async (status, _, asked) => {
    const [path, token] = asked(await signUp(), await signUp());
    const refused = await call("GET", path, undefined, { token });
    expect(refused.status).toBe(status);
    expect(refused.headers.get("Cache-Status")).toBeNull();
  });
});

describe("a write to an account", () => {
  it("purges all its cached entries, under old and new names", async () => {
    const user = await signUp();
    const email = `new-${user.email}`;
    const paths = [...pathsOf(user), `/api/users?email=${email}`];
    const warm = () => Promise.all(paths.map((path) => call("GET", path)));

    await warm();
    const patched = await call("PATCH", `/api/users/${user.userId}`, { email, tier: "enterprise" });
    expect((await call("GET", `/api/users/${user.userId}`)).body).toEqual(patched.body);
    expect((await call("GET", `/api/users?email=${user.email}`)).status).toBe(404);
    expect((await call("GET", `/api/users?email=${email}`)).body).toEqual(patched.body);
    expect((await call("GET", `/api/users/${user.userId}/permissions`)).body.tier).toBe(
      "enterprise",
    );
    expect((await call("GET", "/api/me", undefined, { token: user.apiKey })).body).toEqual(
      patched.body,
    );

    await warm();
    const rotated = await call("POST", `/api/users/${user.userId}/api-key`);
    expect((await call("GET", "/api/me", undefined, { token: user.apiKey })).status).toBe(401);
    expect((await call("GET", "/api/me", undefined, { token: rotated.body.apiKey })).status).toBe(
      200,
    );

    await warm();
    await call("DELETE", `/api/users/${user.userId}`);
    for (const path of paths) expect((await call("GET", path)).status, path).toBe(404);
    expect((await call("GET", "/api/me", undefined, { token: rotated.body.apiKey })).status).toBe(
      401,
    );
  });

  it("that is refused or rolled back purges, writes nothing, and leaves no intent", async () => {
    const [ada, eve] = [await signUp(), await signUp()];
    await call("GET", `/api/users/${ada.userId}`);
    const before = await rowsInAll();
    expect((await call("PATCH", `/api/users/${ada.userId}`, { email: eve.email })).status).toBe(
      409,
    );
    expect(await rowsInAll()).toEqual(before);
    expect(await how(`/api/users/${ada.userId}`)).toContain("fwd");
    expect((await call("PATCH", "/api/users/nobody", { tier: "pro" })).status).toBe(404);
    expect((await call("POST", "/api/users", { ...newUser(), email: eve.email })).status).toBe(409);
    expect(await rowsInAll()).toEqual(before);
  });

  it("leaves no intent behind when its purge was delivered", async () => {
    const { userId } = await signUp();
    await call("PATCH", `/api/users/${userId}`, { tier: "pro" });
    await eventually(async () => expect(await intents()).toEqual([]));
  });

  it("succeeds while the index is down: the outbox has every name", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    vi.spyOn(console, "warn").mockReturnValue();
    const index = switchedIndex();
    const api = callWith({ CACHE_TAG_INDEX: index.binding });
    const user = await signUp(api);
    const paths = pathsOf(user);
    for (const path of paths) await api("GET", path);
    await eventually(async () => expect(await intents()).toEqual([]));

    index.down = true;
    const email = `new-${user.email}`;
    expect((await api("PATCH", `/api/users/${user.userId}`, { email })).body.user.email).toBe(
      email,
    );
    expect((await api("GET", `/api/users/${user.userId}`)).body.user.email).toBe(email);
    expect((await api("GET", `/api/users?email=${user.email}`)).status).toBe(404);
    const [intent] = await intents();
    expect(JSON.parse(intent?.tags ?? "[]")).toEqual([
      expect.stringMatching(/^api_key:[0-9a-f]{64}$/),
      `email:${user.email}`,
      `email:${email}`,
      `user:${user.userId}`,
    ]);
    await env.DB.prepare("DELETE FROM purge_intents").run();
  });

  it("whose reply is lost purges all the same", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    // That of the audit log, and that of the write.
    const lossy = callWith({ DB: losingReplies(env.DB, 2), CACHE_TAG_INDEX: env.CACHE_TAG_INDEX });
    const user = await signUp();
    await call("GET", `/api/users/${user.userId}`);
    expect((await lossy("PATCH", `/api/users/${user.userId}`, { tier: "pro" })).body.type).toBe(
      "urn:luna:problem:outcome-unknown",
    );
    expect(
      (
        await call("GET", `/api/users/${user.userId}`, undefined, {
          headers: { "Cache-Control": "no-cache" },
        })
      ).body.user.tier,
    ).toBe("pro");
    await eventually(async () => expect(await intents()).toHaveLength(1));
    await env.DB.prepare("DELETE FROM purge_intents").run();
  });
});

describe("a key that was revoked, and permissions that were taken", () => {
  it("come from D1 or are refused while the index is down, and never from the cache", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    vi.spyOn(console, "warn").mockReturnValue();
    const index = switchedIndex();
    const database = { dead: false };
    const db = new Proxy({} as D1Database, {
      get: (_, name) => {
        const real = database.dead ? deadDatabase : env.DB;
        const member = Reflect.get(real, name) as unknown;
        return typeof member === "function" ? member.bind(real) : member;
      },
    });
    const api = callWith({ CACHE_TAG_INDEX: index.binding, DB: db });
    const user = await signUp(api);
    const own = { token: user.apiKey };
    await api("GET", "/api/me", undefined, own);
    await api("GET", `/api/users/${user.userId}/permissions`);

    index.down = true;
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10_000 });
    try {
      expect((await api("GET", "/api/me", undefined, own)).headers.get("Cache-Status")).toBe(
        "luna; fwd=bypass; stored; detail=tags-unreachable",
      );
      database.dead = true;
      vi.setSystemTime(Date.now() + 20_000);
      for (const answer of [
        await api("GET", "/api/me", undefined, own),
        await api("GET", `/api/users/${user.userId}/permissions`),
      ]) {
        expect(answer.status).toBe(503);
        expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
      }
      // The user came with the key, and may be stale.
      expect((await api("GET", `/api/users/${user.userId}`)).status).toBe(200);
    } finally {
      vi.useRealTimers();
    }
  });

  it("that no user has is remembered only in memory", async () => {
    const before = (await env.CACHE.list({ prefix: "api_key:" })).keys.length;
    for (let n = 0; n < 2; n += 1)
      expect((await call("GET", "/api/me", undefined, { token: "luna_nobody" })).status).toBe(401);
    expect((await env.CACHE.list({ prefix: "api_key:" })).keys).toHaveLength(before);
  });
});

describe("POST /api/admin/cache/invalidate", () => {
  const path = "/api/admin/cache/invalidate";

  it.each<[string, (user: { userId: string; email: string }) => object, RegExp[]]>([
    ["a user", ({ userId }) => ({ userId }), [/./]],
    ["a tag", ({ userId }) => ({ tags: [`user:${userId}`] }), [/./]],
    [
      "a pattern",
      ({ userId }) => ({ pattern: `user:${userId}:*` }),
      [/\/(permissions|subscription|usage|teams|workspaces)$/],
    ],
    [
      "keys",
      ({ userId, email }) => ({ keys: [`user:${userId}:usage`, `email:${email}`] }),
      [/\/usage$/, /email=/],
    ],
    ["everything", () => ({ all: true }), [/./]],
  ])("by %s purges that and nothing else", async (_, request, purged) => {
    const user = await signUp();
    for (const at of pathsOf(user)) {
      const isolate = newIsolate();
      await isolate("GET", at);
      const { status, body } = await isolate("POST", path, request(user));
      expect(status).toBe(200);
      expect(body).toMatchObject({
        failed: 0,
        failures: [],
        seq: expect.any(Number),
        pending: expect.any(Number),
      });
      expect(body.invalidated).toBe(body.keys.length);
      const isPurged = purged.some((pattern) => pattern.test(at));
      expect(await how(at, isolate), at).toMatch(isPurged ? /fwd/ : /hit/);
    }
  });

  it("of a user names every key that may have an entry, and deletes it from KV", async () => {
    const user = await signUp();
    await fillKv(pathsOf(user));
    await eventually(async () =>
      expect(await env.CACHE.get(`user:${user.userId}:usage`)).not.toBeNull(),
    );
    const { body } = await call("POST", path, { userId: user.userId });
    expect(body.keys).toEqual([
      `user:${user.userId}`,
      ...relatedReads.map((what) => `user:${user.userId}:${what}`),
      `email:${user.email}`,
      expect.stringMatching(/^api_key:[0-9a-f]{64}$/),
    ]);
    for (const key of body.keys as string[]) expect(await env.CACHE.get(key), key).toBeNull();
  });

  it("reports each key that KV did not delete; it is still purged", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    const kv = new Proxy(env.CACHE, {
      get: (target, name) =>
        name === "delete"
          ? async (key: string) => {
              if (key.endsWith("usage"))
                throw new Error("KV DELETE failed: 500 Internal Server Error");
              await target.delete(key);
            }
          : (Reflect.get(target, name) as (...values: unknown[]) => unknown).bind(target),
    });
    const api = callWith({ CACHE: kv });
    const user = await signUp(api);
    await api("GET", `/api/users/${user.userId}/usage`);
    const { body } = await api("POST", path, { userId: user.userId });
    expect(body).toMatchObject({
      invalidated: 8,
      failed: 1,
      failures: [{ key: `user:${user.userId}:usage`, error: expect.any(String) }],
    });
    expect(await how(`/api/users/${user.userId}/usage`, api)).toContain("fwd");
  });

  it("softly serves the stale value while it is reloaded", async () => {
    const user = await signUp();
    await call("GET", `/api/users/${user.userId}`);
    await call("POST", path, { userId: user.userId, mode: "soft" });
    expect(await how(`/api/users/${user.userId}`)).toBe("luna; hit; ttl=-1; detail=l1");
  });

  it("is promised when the index is down: 202, and an intent for the sweep", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const index = switchedIndex();
    index.down = true;
    const { status, body } = await callWith({ CACHE_TAG_INDEX: index.binding })("POST", path, {
      tags: ["a", "b"],
      mode: "soft",
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      invalidated: 0,
      failed: 2,
      keys: ["a", "b"],
      failures: [{ key: "a" }, { key: "b" }],
      pending: null,
      seq: null,
    });
    expect(await env.DB.prepare("SELECT tags, mode FROM purge_intents").all()).toMatchObject({
      results: [{ tags: '["a","b"]', mode: "soft" }],
    });
    await env.DB.prepare("DELETE FROM purge_intents").run();
    const nothing = await callWith({ CACHE_TAG_INDEX: index.binding, DB: deadDatabase })(
      "POST",
      path,
      { tags: ["a"] },
    );
    expect(nothing).toMatchObject({ status: 503, headers: expect.anything() });
  });

  it("takes 500 tags in one request", async () => {
    const tags = Array.from({ length: 500 }, (_, n) => `bulk:${n}`);
    expect((await call("POST", path, { tags })).body).toMatchObject({
      invalidated: 500,
      failed: 0,
    });
  });

  it.each([
    [{}, "body"],
    [{ keys: ["a"], tags: ["b"] }, "body"],
    [{ keys: [] }, "keys"],
    [{ keys: "a" }, "keys"],
    [{ tags: [""] }, "tags.0"],
    [{ tags: Array.from({ length: 1_001 }, String) }, "tags"],
    [{ pattern: "user:*:usage" }, "pattern"],
    [{ pattern: "*" }, "pattern"],
    [{ pattern: `${"x".repeat(1_100)}:*` }, "pattern"],
    [{ tags: ["*"] }, "tags.0"],
    [{ tags: ["a", "cat \ud83c"] }, "tags.1"],
    [{ keys: ["\udc31 cat"] }, "keys.0"],
    [{ pattern: "cat \ud83c:*" }, "pattern"],
    [{ userId: "a:b" }, "userId"],
    [{ all: false }, "all"],
    [{ all: true, mode: "harder" }, "mode"],
    [{ all: true, why: "x" }, "why"],
  ])("refuses %j, naming %s", async (body, field) => {
    const refused = await call("POST", path, body);
    expect(refused.status).toBe(422);
    expect(refused.body.errors.map((error: { path: string }) => error.path)).toContain(field);
  });
});

describe("GET /api/admin/cache/tags/:tag", () => {
  it("lists what is stored under a tag, with sequences", async () => {
    const user = await signUp();
    await fillKv(pathsOf(user));
    const tag = encodeURIComponent(`user:${user.userId}`);
    await eventually(async () =>
      expect((await call("GET", `/api/admin/cache/tags/${tag}`)).body.members).toHaveLength(7),
    );
    const { body } = await call("GET", `/api/admin/cache/tags/${tag}?limit=2`);
    expect(body).toMatchObject({
      tag: `user:${user.userId}`,
      seq: expect.any(Number),
      hardSeq: expect.any(Number),
      softSeq: 0,
    });
    expect(body.members[0]).toEqual({
      key: `email:${user.email}`,
      seq: expect.any(Number),
      purged: false,
      expiresAt: expect.stringMatching(/Z$/),
    });
    const rest = await call(
      "GET",
      `/api/admin/cache/tags/${tag}?limit=100&cursor=${encodeURIComponent(body.nextCursor)}`,
    );
    expect(rest.body.members).toHaveLength(5);
    expect(rest.body).not.toHaveProperty("nextCursor");
  });

  it("refuses an invalid tag, and reports an index that does not answer", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    expect((await call("GET", "/api/admin/cache/tags/%E0%A4%A")).status).toBe(422);
    expect((await call("GET", "/api/admin/cache/tags/a?limit=0")).body.errors).toMatchObject([
      { path: "limit" },
    ]);
    const index = switchedIndex();
    index.down = true;
    expect(
      await callWith({ CACHE_TAG_INDEX: index.binding })("GET", "/api/admin/cache/tags/a"),
    ).toMatchObject({ status: 503 });
  });
});

describe("GET /api/cache/metrics", () => {
  it("counts for the whole fleet, with the state of the breaker", async () => {
    const telemetry = { getByName: () => env.TELEMETRY.getByName(`metrics-${(next += 1)}`) };
    const one = telemetry.getByName();
    const binding = { getByName: () => one } as unknown as ApiEnv["TELEMETRY"];
    // Two isolates: each has a cache and counters of its own.
    const [first, second] = [callWith({ TELEMETRY: binding }), callWith({ TELEMETRY: binding })];
    // A sign-up reads a template through the cache, too.
    const user = await signUp(callWith({}));
    for (let n = 0; n < 10; n += 1) {
      await first("GET", `/api/users/${user.userId}`);
      await second("GET", `/api/users/${user.userId}`);
    }
    await eventually(async () =>
      expect((await first("GET", "/api/cache/metrics")).body).toMatchObject({
        hits: 18,
        misses: 2,
      }),
    );
    const { body } = await first("GET", "/api/cache/metrics");
    expect(body).toMatchObject({
      circuitBreakerState: "CLOSED",
      circuitBreakerFailures: 0,
      hitRate: "90.0%",
      errorRate: "0.0%",
      errors: 0,
      fallbacks: 0,
      loads: 2,
    });
  });

  it("reports a part that does not answer, and still shows the other", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const dead = { getByName: () => ({ totals: down, report: down, inspect: down, sync: down }) };
    const noTelemetry = await callWith({ TELEMETRY: dead as unknown as ApiEnv["TELEMETRY"] })(
      "GET",
      "/api/cache/metrics",
    );
    expect(noTelemetry).toMatchObject({ status: 503 });
    const noBreaker = await callWith({
      CIRCUIT_BREAKER: dead as unknown as ApiEnv["CIRCUIT_BREAKER"],
    })("GET", "/api/cache/metrics");
    expect(noBreaker).toMatchObject({
      status: 200,
      body: { circuitBreakerState: "UNREACHABLE", circuitBreakerFailures: null },
    });
  });
});

async function down(): Promise<never> {
  throw new Error("Durable Object is overloaded.");
}

describe("POST /api/admin/cache/reset-circuit-breaker", () => {
  it("resets the breaker of the cache, with a reason or without", async () => {
    const api = callWith({});
    await api("POST", "/api/admin/circuit-breakers/cache/open", { reason: "test" });
    expect((await api("GET", "/api/cache/metrics")).body.circuitBreakerState).toBe("OPEN");
    const reset = await api("POST", "/api/admin/cache/reset-circuit-breaker");
    expect(reset).toMatchObject({
      status: 200,
      body: { name: "cache", state: "CLOSED", lastTransition: { cause: "reset" } },
    });
    expect(
      (await api("POST", "/api/admin/cache/reset-circuit-breaker", { reason: "again" })).body
        .lastTransition.reason,
    ).toBe("again");
  });
});

describe("GET /health", () => {
  it("is degraded while purges wait in the outbox for minutes, and counts them", async () => {
    expect((await call("GET", "/health")).body.checks.cache).toEqual({
      status: "ok",
      owedPurges: 0,
      oldestOwedSeconds: 0,
    });
    await env.DB.prepare("INSERT INTO purge_intents VALUES ('old', '[]', 'hard', ?)")
      .bind(Date.now() - 200_000)
      .run();
    const { body } = await call("GET", "/health");
    await env.DB.prepare("DELETE FROM purge_intents").run();
    expect(body).toMatchObject({
      status: "degraded",
      checks: { cache: { status: "degraded", owedPurges: 1 } },
    });
    expect(body.checks.cache.oldestOwedSeconds).toBeGreaterThanOrEqual(200);
  });
});

describe("the cache's routes", () => {
  it.each([
    ["GET", "/api/cache/metrics"],
    ["POST", "/api/admin/cache/invalidate"],
    ["GET", "/api/admin/cache/tags/a"],
    ["POST", "/api/admin/cache/reset-circuit-breaker"],
  ])("are for the admin alone: %s %s", async (method, path) => {
    const { apiKey } = await signUp();
    expect((await call(method, path, undefined, { token: null })).status).toBe(401);
    expect((await call(method, path, undefined, { token: apiKey })).status).toBe(403);
  });
});

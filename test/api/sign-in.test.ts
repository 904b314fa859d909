import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ADMIN_TOKEN } from "../support/http.ts";
import { call, callWith } from "./support.ts";

/**
 * Who is let in: the admin's tokens, the one for reading, and operators whom Cloudflare Access has
 * signed in.
 */

const PREVIOUS = "the-token-before-0123456789abcdefgh";
const READONLY = "the-token-for-reading-0123456789abc";
const reset = "/api/admin/circuit-breakers/cache/reset";

afterEach(() => void vi.restoreAllMocks());

describe("an admin token", () => {
  const rotating = callWith({ ADMIN_TOKEN_PREVIOUS: PREVIOUS });

  it("works beside the previous one while both are set, each under its own name", async () => {
    for (const token of [ADMIN_TOKEN, PREVIOUS])
      expect((await rotating("POST", reset, { reason: "rotation" }, { token })).status).toBe(200);
    const { items } = (await rotating("GET", "/api/admin/circuit-breakers/cache/history?limit=2"))
      .body;
    expect(new Set(items.map(({ actor }: { actor: string }) => actor)).size).toBe(2);
    expect(
      (await call("POST", reset, { reason: "rotation" }, { token: PREVIOUS })).status,
      "and no longer than that",
    ).toBe(401);
  });

  it.each(["", "x", `${ADMIN_TOKEN}x`, ADMIN_TOKEN.slice(0, -1), "undefined"])(
    "that is %j is refused",
    async (token) => {
      expect((await rotating("GET", "/api/admin/alerts", undefined, { token })).status).toBe(401);
    },
  );

  it.each([
    ["the one that is set", ADMIN_TOKEN, 200],
    ["the one before it", PREVIOUS, 200],
    ["neither", "x".repeat(ADMIN_TOKEN.length), 401],
  ])("is compared with both in constant time, whichever it is: %s", async (_, token, status) => {
    const compared = vi.spyOn(crypto.subtle, "timingSafeEqual");
    expect((await rotating("GET", "/api/admin/alerts", undefined, { token })).status).toBe(status);
    expect(compared).toHaveBeenCalledTimes(2);
  });

  it.each([
    `Basic ${btoa(`admin:${ADMIN_TOKEN}`)}`,
    `Bearer ${ADMIN_TOKEN} ${ADMIN_TOKEN}`,
    "Bearer",
  ])("is sent as a bearer token: %j is none", async (header) => {
    expect(
      (
        await call("GET", "/api/admin/alerts", undefined, {
          token: null,
          headers: { Authorization: header },
        })
      ).status,
    ).toBe(401);
  });

  it("is never the read-only token: equal values are refused by name", async () => {
    const refused = await callWith({ READONLY_TOKEN: ADMIN_TOKEN })("GET", "/api/admin/alerts");
    expect(refused).toMatchObject({
      status: 503,
      body: { detail: "The variable READONLY_TOKEN must not be an admin token." },
    });
  });
});

it("the read-only token reads everything and changes nothing", async () => {
  const viewing = callWith({ READONLY_TOKEN: READONLY });
  expect(
    (await viewing("GET", "/api/admin/circuit-breakers", undefined, { token: READONLY })).status,
  ).toBe(200);
  expect((await viewing("POST", reset, { reason: "no" }, { token: READONLY })).status).toBe(403);
  expect(
    (await call("GET", "/api/admin/circuit-breakers", undefined, { token: READONLY })).status,
    "where it is not set it is none",
  ).toBe(401);
});

describe("Cloudflare Access", () => {
  const teamDomain = "luna.cloudflareaccess.com";
  const audience = "0123456789abcdef0123456789abcdef";
  const signingIn = callWith({ ACCESS_TEAM_DOMAIN: teamDomain, ACCESS_AUDIENCE: audience });
  const keys: { kid: string; privateKey: CryptoKey }[] = [];
  const published: object[] = [];
  let asked = 0;
  /** How Access answers who asks for its keys. */
  let answer = () => Response.json({ keys: published });

  beforeAll(async () => {
    for (const kid of ["first", "second", "stranger"]) {
      const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
      keys.push({ kid, privateKey });
      if (kid !== "stranger")
        published.push({ ...(await exportJWK(publicKey)), kid, alg: "RS256" });
    }
  });

  const token = async (
    n: number,
    changes: {
      email?: string;
      issuer?: string;
      audience?: string;
      expiresAt?: number;
      custom?: object;
    } = {},
  ): Promise<string> => {
    const { kid = "", privateKey } = keys[n] ?? {};
    return await new SignJWT(
      changes.email === ""
        ? {}
        : { email: changes.email ?? "Ada@Luna.example", custom: changes.custom },
    )
      .setProtectedHeader({ alg: "RS256", kid })
      .setIssuer(changes.issuer ?? `https://${teamDomain}`)
      .setAudience(changes.audience ?? audience)
      .setExpirationTime(changes.expiresAt ?? Math.floor(Date.now() / 1_000) + 60)
      .sign(privateKey as CryptoKey);
  };
  type Asked = { method: string; path: string; body?: unknown; headers?: Record<string, string> };
  const anything: Asked = { method: "GET", path: "/api/admin/alerts" };
  const ask = async (
    jwt: string,
    { method, path, body, headers }: Asked = anything,
    send = signingIn,
  ) => {
    vi.spyOn(console, "warn").mockReturnValue();
    vi.spyOn(globalThis, "fetch").mockImplementation(async (url, init) => {
      asked += 1;
      // Only Access may name its keys.
      const isAsked =
        url === `https://${teamDomain}/cdn-cgi/access/certs` && init?.redirect === "manual";
      return isAsked ? answer() : new Response(null, { status: 404 });
    });
    return await send(method, path, body, {
      token: null,
      headers: { "Cf-Access-Jwt-Assertion": jwt, ...headers },
    });
  };

  it("signs in an operator under their address, and fetches the keys once", async () => {
    expect(
      (await ask(await token(0), { method: "POST", path: reset, body: { reason: "repaired" } }))
        .status,
    ).toBe(200);
    expect((await ask(await token(1))).status).toBe(200);
    expect(asked).toBe(1);
    const { items } = (await signingIn("GET", "/api/admin/circuit-breakers/cache/history?limit=1"))
      .body;
    expect(items).toMatchObject([{ actor: "ada@luna.example" }]);
  });

  it("logs a purge by an operator without their address", async () => {
    const info = vi.spyOn(console, "info").mockReturnValue();
    const body = { keys: ["user:nobody"] };
    expect(
      (await ask(await token(0), { method: "POST", path: "/api/admin/cache/invalidate", body }))
        .status,
    ).toBe(200);
    const lines = info.mock.calls.flat().join();
    expect(lines).toContain("cache.purged_by_operator");
    expect(lines).not.toContain("ada@luna.example");
  });

  it.each([
    ["of another application", () => token(0, { audience: "another-application-0123" })],
    ["of another team", () => token(0, { issuer: "https://evil.cloudflareaccess.com" })],
    ["that has expired", () => token(0, { expiresAt: Math.floor(Date.now() / 1_000) - 1 })],
    ["signed with a key that is not the team's", () => token(2)],
    ["of nobody", () => token(0, { email: "" })],
    [
      "that is not signed",
      async () =>
        new UnsecuredJWT({ email: "ada@luna.example" })
          .setAudience(audience)
          .setIssuer(`https://${teamDomain}`)
          .setExpirationTime("1h")
          .encode(),
    ],
    ["that is none", async () => "nonsense"],
  ])("refuses a token %s", async (_, made) => {
    expect((await ask(await made())).status).toBe(401);
  });

  describe("with ACCESS_ROLES", () => {
    const withRoles = callWith({
      ACCESS_TEAM_DOMAIN: teamDomain,
      ACCESS_AUDIENCE: audience,
      ACCESS_ROLES: "luna-admins=admin, Night shift=support, staff=viewer",
    });
    const reading: Asked = { method: "GET", path: "/api/admin/users" };
    const writing: Asked = { method: "POST", path: reset, body: { reason: "repaired" } };

    it.each([
      [["luna-admins", "staff"], "admin", [200, 200, 200]],
      [["Night shift", "staff"], "support", [200, 200, 403]],
      [["staff"], "viewer", [200, 403, 403]],
    ])("gives the groups %j the role %s", async (groups, role, statuses) => {
      const jwt = await token(0, { custom: { groups } });
      const answers = [];
      for (const one of [anything, reading, writing])
        answers.push((await ask(jwt, one, withRoles)).status);
      expect(answers).toEqual(statuses);
      const who = await ask(jwt, { method: "GET", path: "/api/admin/me" }, withRoles);
      expect(who.body).toMatchObject({ role, actor: "ada@luna.example" });
    });

    it.each([[{}], [{ groups: ["others"] }], [{ groups: "luna-admins" }], [{ groups: [1] }]])(
      "refuses a sign-in whose groups have no role: %j",
      async (custom) => {
        const refused = await ask(await token(0, { custom }), anything, withRoles);
        expect(refused).toMatchObject({
          status: 403,
          body: { detail: expect.stringContaining("none of your groups has a role") },
        });
      },
    );
  });

  it("refuses a write by a page of another site, and allows one by its own page", async () => {
    const from = async (origin: string) =>
      await ask(await token(0), {
        method: "POST",
        path: "/api/admin/cache/reset-circuit-breaker",
        headers: { Origin: origin },
      });
    expect((await from("https://evil.example")).status).toBe(403);
    expect((await from("http://luna.test")).status).toBe(200);
  });

  it("lets in by the keys that it gave before while it gives none, for a week", async () => {
    const now = Date.now();
    const later = async (ms: number) => {
      vi.spyOn(Date, "now").mockReturnValue(now + ms);
      return (await ask(await token(0, { expiresAt: Math.floor((now + ms) / 1_000) + 60 }))).status;
    };
    expect(await later(0)).toBe(200);
    for (const [n, failed] of [
      new Response(null, { status: 503 }),
      Response.redirect("https://evil.example/certs"),
    ].entries()) {
      answer = () => failed.clone();
      const before = asked;
      for (let times = 0; times < 3; times += 1) expect(await later((2 + n) * 3_600_000)).toBe(200);
      expect(asked - before, "not each request waits for it").toBe(1);
    }
    const before = asked;
    for (let times = 0; times < 3; times += 1) expect(await later(8 * 86_400_000)).toBe(401);
    expect(asked - before, "nor does each request without a valid sign-in").toBe(1);
    answer = () => Response.json({ keys: published });
    expect(await later(8 * 86_400_000 + 5_000)).toBe(200);
  });

  it("is asked only where it is set up", async () => {
    const jwt = await token(0);
    expect(
      (
        await call("GET", "/api/admin/alerts", undefined, {
          token: null,
          headers: { "Cf-Access-Jwt-Assertion": jwt },
        })
      ).status,
    ).toBe(401);
  });
});

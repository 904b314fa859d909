import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { call, callWith } from "./support.ts";

/** Limits that hold for every request. */

afterEach(() => void vi.restoreAllMocks());

/** A limiter that has room for so many of each key. */
function limiter(room: number) {
  const asked: string[] = [];
  return {
    asked,
    limit: async ({ key }: { key: string }) => ({
      success: asked.push(key) > 0 && asked.filter((one) => one === key).length <= room,
    }),
  };
}

describe("too many requests", () => {
  it("with a key are answered 429 with Retry-After, and other keys are not limited", async () => {
    const keys = limiter(1);
    const limited = callWith({ RATE_LIMIT_KEY: keys });
    expect((await limited("GET", "/api/admin/alerts")).status).toBe(200);
    const refused = await limited("GET", "/api/admin/alerts");
    expect(refused).toMatchObject({ status: 429, body: { type: "urn:luna:problem:rate-limited" } });
    expect(refused.headers.get("Retry-After")).toBe("60");
    expect(refused.headers.get("RateLimit-Policy")).toBe('"key";q=600;w=60');
    const { body } = await call("POST", "/api/users", {
      userId: "limited",
      email: "limited@example.com",
    });
    expect((await limited("GET", "/api/me", undefined, { token: body.apiKey })).status).toBe(200);
    expect(keys.asked).toEqual([
      expect.stringMatching(/^admin:/),
      expect.stringMatching(/^admin:/),
      expect.stringMatching(/^key:/),
    ]);
  });

  it.each([
    ["without a token", "/health", null],
    ["with a malformed token", "/api/admin/alerts", "no such token"],
    ["for nothing", "/no-such-path", null],
  ])("%s are counted by address", async (_, path, token) => {
    const addresses = limiter(1);
    const limited = callWith({ RATE_LIMIT_IP: addresses });
    const from = (address: string) =>
      limited("GET", path, undefined, { token, headers: { "CF-Connecting-IP": address } });
    expect((await from("192.0.2.1")).status).not.toBe(429);
    expect((await from("192.0.2.1")).status).toBe(429);
    expect((await from("192.0.2.2")).status).not.toBe(429);
    expect((await from("192.0.2.2")).headers.get("RateLimit-Policy")).toBe('"ip";q=120;w=60');
  });

  it("are let through by a limiter that fails", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const failing = { limit: () => Promise.reject(new Error("down")) };
    expect((await callWith({ RATE_LIMIT_KEY: failing })("GET", "/api/admin/alerts")).status).toBe(
      200,
    );
  });
});

describe("the real limiter of wrangler.api.toml", () => {
  it("is bound: it has room for the first request", async () => {
    for (const bound of [env.RATE_LIMIT_KEY, env.RATE_LIMIT_IP])
      expect(await bound.limit({ key: "nobody" })).toEqual({ success: true });
  });
});

describe("a browser", () => {
  const origin = "https://app.example.com";
  const allowing = callWith({ CORS_ORIGINS: `${origin}, http://localhost:5173` });
  const preflight = {
    Origin: origin,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization",
  };

  it("of an allowed origin may call, and reads the answer with its exposed headers", async () => {
    const answer = await allowing("OPTIONS", "/api/users/ada", undefined, {
      token: null,
      headers: preflight,
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("Access-Control-Allow-Origin")).toBe(origin);
    expect(answer.headers.get("Access-Control-Allow-Methods")).toBe("GET, HEAD, PATCH, DELETE");
    expect(answer.headers.get("Access-Control-Allow-Headers")).toContain("Authorization");
    expect(answer.headers.get("Access-Control-Allow-Credentials")).toBeNull();
    const got = await allowing("GET", "/api/users/nobody", undefined, {
      headers: { Origin: origin },
    });
    expect(got.headers.get("Access-Control-Allow-Origin"), "also of what is refused").toBe(origin);
    expect(got.headers.get("Access-Control-Expose-Headers")).toContain("X-Request-Id");
    expect(got.headers.get("Vary")).toBe("Origin");
  });

  it.each([
    "https://evil.example",
    "https://app.example.com.evil.example",
    "null",
    "http://app.example.com",
  ])("of %s may not", async (other) => {
    const answer = await allowing("OPTIONS", "/api/users/ada", undefined, {
      token: null,
      headers: { ...preflight, Origin: other },
    });
    expect(answer.headers.get("Access-Control-Allow-Origin")).toBeNull();
    expect(answer.headers.get("Access-Control-Allow-Methods")).toBeNull();
    expect(
      (
        await allowing("GET", "/health", undefined, { token: null, headers: { Origin: other } })
      ).headers.get("Access-Control-Allow-Origin"),
    ).toBeNull();
  });

  it("may not at all where nothing is set, or what is set is none", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    for (const CORS_ORIGINS of ["", "*", "https://app.example.com/"]) {
      const answer = await callWith({ CORS_ORIGINS })("GET", "/health", undefined, {
        token: null,
        headers: { Origin: origin },
      });
      expect(answer.headers.get("Access-Control-Allow-Origin"), CORS_ORIGINS).toBeNull();
    }
  });
});

describe("methods", () => {
  it("that a path does not have are answered 405, with those that it has", async () => {
    const answer = await call("PUT", "/api/users/ada");
    expect(answer.status).toBe(405);
    expect(answer.headers.get("Allow")).toBe("GET, HEAD, PATCH, DELETE");
    expect(
      (await call("OPTIONS", "/api/emails", undefined, { token: null })).headers.get("Allow"),
    ).toBe("GET, HEAD, POST, OPTIONS");
    expect((await call("OPTIONS", "/no-such-path", undefined, { token: null })).status).toBe(404);
  });

  it("HEAD is GET without the body, and changes nothing", async () => {
    const head = await call("HEAD", "/health", undefined, { token: null, text: true });
    expect(head.status).toBe(200);
    expect(
      (await call("HEAD", "/api/admin/alerts", undefined, { token: null, text: true })).status,
    ).toBe(401);
  });
});

describe("every answer", () => {
  it("carries an id of its own, which the log lines of the request carry too", async () => {
    const lines: string[] = [];
    vi.spyOn(console, "error").mockImplementation((line: string) => void lines.push(line));
    const refuse = () => Promise.reject(new Error("Network connection lost."));
    const statement = { bind: () => statement, first: refuse, all: refuse, run: refuse };
    const broken = callWith({
      DB: { prepare: () => statement, batch: refuse } as unknown as D1Database,
    });
    const [one, other] = await Promise.all([
      broken("GET", "/api/emails/one"),
      broken("GET", "/api/emails/other"),
    ]);
    const ids = [one, other].map(({ headers }) => headers.get("X-Request-Id"));
    expect(new Set(ids).size).toBe(2);
    const logged = lines
      .map((line) => JSON.parse(line) as { event: string; requestId?: string })
      .filter(({ event }) => event === "database.read_failed");
    expect(logged.map(({ requestId }) => requestId).toSorted()).toEqual(ids.toSorted());
  });

  it("keeps what a browser could do with it small", async () => {
    const { headers } = await exports.default.fetch(new Request("http://luna.test/no-such-path"));
    expect(Object.fromEntries(headers)).toMatchObject({
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "strict-transport-security": "max-age=31536000; includeSubDomains",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "cache-control": "no-store",
    });
  });
});

import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { unsubscribeUrl } from "../../shared/email/unsubscribe.ts";
import type { ApiEnv } from "../../workers/env.ts";
import { CountedPlatform } from "../support/counted-platform.ts";
import { call, callWith, signUpAs } from "./support.ts";

/** What a request costs that a limit refuses, and which requests count for which limit. */

let platform: CountedPlatform;
let fleets = 0;

beforeEach(() => void (platform = new CountedPlatform()));
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

const newKey = (): string => `luna_${crypto.randomUUID()}`;
const newAddress = (): string => `2001:db8:${(fleets += 1).toString(16)}:1::1`;

type Sent = { headers?: Record<string, string>; body?: unknown };

/** A Worker whose bindings count, and a caller at an address. */
function counted(limiters: Partial<ApiEnv>, address = newAddress()) {
  const fleet = `limits-${(fleets += 1)}`;
  const send = callWith({
    DB: platform.database(env.DB),
    CACHE: platform.kv(env.CACHE),
    CACHE_TAG_INDEX: platform.objects("CACHE_TAG_INDEX", env.CACHE_TAG_INDEX, fleet),
    CIRCUIT_BREAKER: platform.objects("CIRCUIT_BREAKER", env.CIRCUIT_BREAKER, fleet),
    ...limiters,
  });
  return (method: string, path: string, token: string | null, { headers, body }: Sent = {}) =>
    send(method, path, body, {
      token,
      headers: { "CF-Connecting-IP": address, ...headers },
      ...(path.startsWith("/unsubscribe/") && { text: true }),
    });
}

/** What was asked at all, since it was last taken. */
async function lookUps() {
  const { d1Reads, d1Writes, kvReads } = await platform.take();
  return { d1: d1Reads + d1Writes, kv: kvReads };
}

describe("a request that the limit refuses asks neither D1 nor KV", () => {
  it("with wrong tokens: the one that is looked up is answered 401 and counted", async () => {
    const none = limiter(0);
    const from = counted({ RATE_LIMIT_IP: none });
    expect((await from("GET", "/api/me", newKey())).status).toBe(401);
    expect(await lookUps()).toEqual({ d1: 1, kv: 1 });
    for (let times = 0; times < 50; times += 1)
      expect((await from("GET", "/api/me", newKey())).status).toBe(429);
    expect(await lookUps()).toEqual({ d1: 0, kv: 0 });
    expect(none.asked, "each counts once").toHaveLength(51);
  });

  it("with a right key over its own limit, also if it asks for nothing cached", async () => {
    const { token } = await signUpAs("free");
    await platform.take();
    const from = counted({ RATE_LIMIT_KEY: limiter(0) });
    const refused = await from("GET", "/api/me", token, {
      headers: { "Cache-Control": "no-cache" },
    });
    expect(refused.status).toBe(429);
    expect(refused.headers.get("RateLimit-Policy")).toBe('"key";q=600;w=60');
    expect(await lookUps()).toEqual({ d1: 0, kv: 0 });
    expect(platform.asked("CACHE_TAG_INDEX.sync")).toBe(0);
  });

  it.each([
    ["without a token", "GET", "/api/me", null],
    ["with a malformed token", "GET", "/api/me", "a token"],
    ["for health", "GET", "/health", null],
    ["for no route", "GET", "/no-such-path", null],
  ])("%s", async (_, method, path, token) => {
    const from = counted({ RATE_LIMIT_IP: limiter(0) });
    expect((await from(method, path, token)).status).toBe(429);
    expect(await lookUps()).toEqual({ d1: 0, kv: 0 });
  });
});

describe("a right key", () => {
  it("does not count for its address", async () => {
    const { token } = await signUpAs("free");
    const [addresses, keys] = [limiter(0), limiter(1)];
    const from = counted({ RATE_LIMIT_IP: addresses, RATE_LIMIT_KEY: keys });
    expect((await from("GET", "/api/me", token)).status).toBe(200);
    expect(addresses.asked).toEqual([]);
    expect(keys.asked).toEqual([expect.stringMatching(/^key:[0-9a-f]{64}$/)]);
    expect((await from("GET", "/api/me", token)).status).toBe(429);
  });

  it("that the isolate has in memory works beside wrong tokens of the same address", async () => {
    const { token } = await signUpAs("free");
    const from = counted({ RATE_LIMIT_IP: limiter(0) });
    expect((await from("GET", "/api/me", token)).status).toBe(200);
    for (let times = 0; times < 3; times += 1) await from("GET", "/api/me", newKey());
    expect((await from("GET", "/api/me", newKey())).status).toBe(429);
    expect((await from("GET", "/api/me", token)).status).toBe(200);
  });

  it("that was revoked is a wrong token: it counts for its address", async () => {
    const { userId, token } = await signUpAs("free");
    const addresses = limiter(1);
    const from = counted({ RATE_LIMIT_IP: addresses });
    expect((await from("GET", "/api/me", token)).status).toBe(200);
    await call("DELETE", `/api/users/${userId}/api-key`);
    const fresh = { headers: { "Cache-Control": "no-cache" } };
    const statuses: number[] = [];
    for (let times = 0; times < 4; times += 1)
      statuses.push(
        (await counted({ RATE_LIMIT_IP: addresses }, "192.0.2.77")("GET", "/api/me", token, fresh))
          .status,
      );
    expect(statuses).toEqual([401, 401, 429, 429]);
  });
});

describe("an operation that carries a signature", () => {
  const signer = new Webhook(`whsec_${btoa("a secret of thirty-two characters")}`);

  function signedEvent(): { headers: Record<string, string>; body: string } {
    const [id, at] = [crypto.randomUUID(), new Date()];
    const body = JSON.stringify({ type: "email.clicked", data: {} });
    const headers = {
      "svix-id": id,
      "svix-timestamp": String(Math.floor(at.getTime() / 1_000)),
      "svix-signature": signer.sign(id, at, body),
    };
    return { headers, body };
  }

  async function link(): Promise<string> {
    const { body } = await call("POST", "/api/emails", {
      to: "ada@example.com",
      subject: "Hi",
      text: "Hi",
    });
    const { PUBLIC_URL: publicUrl = "", UNSUBSCRIBE_SECRET: secret = "" } = env;
    return new URL(await unsubscribeUrl({ publicUrl, secret }, body.id)).pathname;
  }

  it("does not count a provider's events, which are as many as the emails", async () => {
    const none = limiter(0);
    const from = counted({ RATE_LIMIT_IP: none, RATE_LIMIT_KEY: none });
    for (let times = 0; times < 3; times += 1) {
      expect((await from("POST", "/api/webhooks/resend", null, signedEvent())).status).toBe(200);
    }
    expect(none.asked).toEqual([]);
  });

  it("does not count a recipient's unsubscribe link for the network, only for the link", async () => {
    const path = await link();
    const [addresses, links] = [limiter(0), limiter(2)];
    const from = counted({ RATE_LIMIT_IP: addresses, RATE_LIMIT_KEY: links });
    for (const method of ["GET", "POST"]) expect((await from(method, path, null)).status).toBe(200);
    expect((await from("POST", path, null)).status).toBe(429);
    expect(addresses.asked).toEqual([]);
  });

  it.each([
    ["POST", "/api/webhooks/resend", 400],
    ["POST", "/api/webhooks/nobody", 404],
    ["GET", "/unsubscribe/forged", 404],
    ["POST", "/unsubscribe/forged", 404],
  ])("counts a forged one, and refuses the next: %s %s", async (method, path, status) => {
    const from = counted({ RATE_LIMIT_IP: limiter(1) });
    const sent = method === "POST" ? { body: "{}" } : {};
    const statuses: number[] = [];
    for (let times = 0; times < 4; times += 1)
      statuses.push((await from(method, path, null, sent)).status);
    expect(statuses).toEqual([status, status, 429, 429]);
    expect(await lookUps()).toEqual({ d1: 0, kv: 0 });
  });

  it("is each anonymous operation that is not counted before its work", () => {
    const anonymous = operations.filter(({ access }) => access === "anyone");
    const [signed, counting] = [true, undefined].map((is) =>
      anonymous.filter((one) => one.signed === is).map(({ id }) => id),
    );
    expect(signed).toEqual([
      "takeWebhook",
      "pingHeartbeat",
      "postPing",
      "signalHeartbeat",
      "postSignal",
      "askToUnsubscribe",
      "unsubscribe",
    ]);
    expect(counting).toEqual([
      "getStart",
      "askToConfirmAddress",
      "confirmAddress",
      "getDocs",
      "getHealth",
      "showInvitation",
      "answerInvitation",
      "getOpenApi",
      "askToVerifySender",
      "confirmSender",
    ]);
  });
});

describe("addresses", () => {
  it.each([
    ["of one IPv6 network of 64 bits count together", "2001:db8:a:b::1", "2001:DB8:A:B:ffff::2"],
    ["count as one in each form", "192.0.2.50", "::ffff:192.0.2.50"],
  ])("%s", async (_, one, other) => {
    const addresses = limiter(1);
    const [first, second] = [one, other].map((at) => counted({ RATE_LIMIT_IP: addresses }, at));
    expect((await first?.("GET", "/api/me", null))?.status).toBe(401);
    expect((await second?.("GET", "/api/me", null))?.status).toBe(429);
  });

  it("of two IPv6 networks count apart", async () => {
    const addresses = limiter(1);
    for (const at of ["2001:db8:a:c::1", "2001:db8:a:d::1"])
      expect((await counted({ RATE_LIMIT_IP: addresses }, at)("GET", "/api/me", null)).status).toBe(
        401,
      );
  });
});

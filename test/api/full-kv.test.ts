import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { faultyBindings } from "../support/faults.ts";
import { callWith, freshBreakers } from "./support.ts";

/** A KV that refuses writes: what works. Each state of a read: cache-failures.test.ts. */

beforeEach(() => {
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
});
afterEach(() => void vi.restoreAllMocks());

it.each(["full", "rate-limited"])(
  "a KV that is %s fails no request, and serves nothing old",
  async (how) => {
    const real = { ...env, CIRCUIT_BREAKER: freshBreakers() };
    const call = callWith(faultyBindings(real, () => ({ KV: how })));
    const user = { userId: `kv-${how}`, email: `kv-${how}@example.com` };
    expect((await call("POST", "/api/users", user)).status).toBe(201);
    const path = `/api/users/${user.userId}`;
    expect((await call("GET", path)).status).toBe(200);
    expect((await call("PATCH", path, { tier: "pro" })).status).toBe(200);
    expect(await call("GET", path)).toMatchObject({ status: 200, body: { user: { tier: "pro" } } });
    const message = { to: "ada@example.com", subject: "Hi", text: "Hi" };
    expect((await call("POST", "/api/emails", message)).status).toBe(202);
    expect((await call("GET", "/health")).status).toBe(200);
  },
);

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { counters } from "../../shared/telemetry/counters.ts";
import { eventually } from "../support/eventually.ts";
import { faultyBindings } from "../support/faults.ts";
import { callWith, freshBreakers } from "./support.ts";

/** A KV that refuses writes: what works, and what is counted. Reads: cache-failures.test.ts. */

beforeEach(() => {
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
});
afterEach(() => void vi.restoreAllMocks());

/** Failures of KV that are counted, of one kind. */
const failures = (kind: string): number =>
  Object.entries(counters.totals())
    .filter(
      ([name]) => name.startsWith("luna_cache_errors_total") && name.includes(`kind=${kind},`),
    )
    .reduce((total, [, count]) => total + count, 0);

it.each([
  ["full", "kv"],
  ["rate-limited", "kv_rate_limited"],
])("a KV that is %s fails no request, serves nothing old, and is counted", async (how, kind) => {
  const bindings = faultyBindings({ ...env, CIRCUIT_BREAKER: freshBreakers() }, () => ({
    KV: how,
  }));
  const call = callWith(bindings);
  const before = failures(kind);
  const user = { userId: `kv-${how}`, email: `kv-${how}@example.com` };
  expect((await call("POST", "/api/users", user)).status).toBe(201);
  const path = `/api/users/${user.userId}`;
  expect((await call("GET", path)).status).toBe(200);
  expect((await call("PATCH", path, { tier: "pro" })).status).toBe(200);
  expect(await call("GET", path)).toMatchObject({ status: 200, body: { user: { tier: "pro" } } });
  const message = { to: "ada@example.com", subject: "Hi", text: "Hi" };
  expect((await call("POST", "/api/emails", message)).status).toBe(202);
  expect((await call("GET", "/health")).status).toBe(200);
  await eventually(() => expect(failures(kind)).toBeGreaterThan(before));
});

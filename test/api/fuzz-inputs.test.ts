import { env } from "cloudflare:workers";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { beforeEach, expect, inject, it, vi } from "vitest";
import { userKey } from "../../shared/accounts/rules/keys.ts";
import { call, callWith } from "./support.ts";

/** What comes from KV and from providers, at random. */

const seed = inject("seed");

beforeEach(() => {
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();
  return () => void vi.restoreAllMocks();
});

it("a read answers D1's value for any content of KV", async () => {
  const { body } = await call("POST", "/api/users", { userId: "kv", email: "kv@example.com" });
  const entry = {
    v: 1,
    key: userKey("kv"),
    createdAt: Date.now(),
    ttlMs: 300_000,
    tags: [],
    seq: 1,
    generation: "x",
    value: body.user,
  };
  const field = fc.constantFrom(...Object.keys(entry));
  const stored = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({ name: field, put: fc.jsonValue({ maxDepth: 1 }) })
      .map(({ name, put }) => JSON.stringify({ ...entry, [name]: put })),
    field.map((gone) =>
      JSON.stringify(Object.fromEntries(Object.entries(entry).filter(([name]) => name !== gone))),
    ),
    fc.nat(200).map((length) => JSON.stringify(entry).slice(0, length)),
  );
  await fc.assert(
    fc.asyncProperty(stored, async (text) => {
      await env.CACHE.put(userKey("kv"), text);
      const read = await callWith({})("GET", "/api/users/kv");
      expect(read).toMatchObject({ status: 200, body: { user: body.user } });
    }),
    { numRuns: 60, seed },
  );
});

it("any signed event is answered, any unsigned one is refused, and none with a 5xx", async () => {
  const signer = new Webhook(env.WEBHOOK_SECRET_RESEND ?? "");
  const event = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        type: fc.constantFrom("email.sent", "email.bounced", "email.delivered", "email.x"),
        created_at: fc.oneof(fc.constant(new Date().toISOString()), fc.string()),
        data: fc.oneof(
          fc.record(
            {
              email_id: fc.string(),
              tags: fc.jsonValue({ maxDepth: 2 }),
              to: fc.jsonValue({ maxDepth: 1 }),
              bounce: fc.jsonValue({ maxDepth: 2 }),
            },
            { requiredKeys: [] },
          ),
          fc.jsonValue({ maxDepth: 1 }),
        ),
      },
      { requiredKeys: [] },
    ),
  );
  await fc.assert(
    fc.asyncProperty(event, fc.boolean(), async (payload, signed) => {
      const [body, id, at] = [JSON.stringify(payload), crypto.randomUUID(), new Date()];
      const headers = {
        "svix-id": id,
        "svix-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "svix-signature": signed ? signer.sign(id, at, body) : "v1,x",
      };
      const { status } = await call("POST", "/api/webhooks/resend", body, { token: null, headers });
      expect(status).toBe(signed ? 200 : 400);
    }),
    { numRuns: 500, seed },
  );
});

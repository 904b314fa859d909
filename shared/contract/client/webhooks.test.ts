import { Webhook } from "standardwebhooks";
import { expect, it } from "vitest";
import { eventBody } from "../../webhooks/rules/events.ts";
import { verifyWebhook } from "./webhooks.ts";

const secretOf = (text: string): string => `whsec_${btoa(text.padEnd(32, "."))}`;
const secret = secretOf("one");
const now = Date.UTC(2026, 10, 30);
const data = '{"teamId":"t","name":"Kern"}';
const body = eventBody({ type: "team.created", at: now, tenant: "team:t", data });

function headersOf(by: string, at = now, extra = ""): Headers {
  return new Headers({
    "webhook-id": "evt_1",
    "webhook-timestamp": String(at / 1_000),
    "webhook-signature": `${extra}${new Webhook(by).sign("evt_1", new Date(at), body)}`,
  });
}

it("takes what the library of Standard Webhooks signed, and reads its event", async () => {
  expect(await verifyWebhook({ headers: headersOf(secret), body, secret }, now)).toMatchObject({
    ok: true,
    id: "evt_1",
    event: { type: "team.created", data: { teamId: "t", name: "Kern" } },
  });
});

it("takes a call while secrets are rotated, on either side", async () => {
  const old = secretOf("old");
  const both = headersOf(secret, now, `${new Webhook(old).sign("evt_1", new Date(now), body)} `);
  expect((await verifyWebhook({ headers: both, body, secret: old }, now)).ok).toBe(true);
  const secrets = [old, secret];
  expect((await verifyWebhook({ headers: headersOf(secret), body, secret: secrets }, now)).ok).toBe(
    true,
  );
});

it("takes an event of a later release, without reading it", async () => {
  const later = body.replace('"version":1', '"version":2');
  const signature = new Webhook(secret).sign("evt_1", new Date(now), later);
  const headers = headersOf(secret);
  headers.set("webhook-signature", signature);
  expect(await verifyWebhook({ headers, body: later, secret }, now)).toEqual({
    ok: true,
    id: "evt_1",
    event: null,
  });
});

it.each([
  ["another secret", { headers: headersOf(secretOf("two")) }],
  ["another body", { body: `${body} ` }],
  ["no headers", { headers: new Headers() }],
  ["a signature of another version", { headers: headersOf(secret, now, "v2,x v1a") }],
  ["an empty secret", { secret: "whsec_" }],
  ["no secret", { secret: [] }],
])("refuses %s", async (_, changes) => {
  const call = { headers: headersOf(secret), body, secret, ...changes };
  expect(await verifyWebhook(call, now)).toEqual({ ok: false, error: "signature" });
});

it.each([-301_000, 301_000])(
  "refuses a call that is %i ms old, as it may be a repeat",
  async (ms) => {
    const headers = headersOf(secret, now - ms);
    expect(await verifyWebhook({ headers, body, secret }, now)).toEqual({
      ok: false,
      error: "timestamp",
    });
  },
);

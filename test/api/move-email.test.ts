import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { claim, promoteDue } from "../../shared/email/sql/claim.ts";
import { eventTypes, fakeQueue, notification } from "../support/emails.ts";
import { call, callWith, signUpAs } from "./support.ts";

const HOUR_MS = 3_600_000;
const inHours = (hours: number): string => new Date(Date.now() + hours * HOUR_MS).toISOString();

async function scheduled(hours: number): Promise<string> {
  const { body } = await call("POST", "/api/emails", {
    to: "ada@example.com",
    subject: "Hi",
    text: "Hi",
    sendAt: inHours(hours),
  });
  return body.id;
}

const claimAt = async (id: string, now: number): Promise<number> => {
  const claimed = await claim(env.DB, {
    notifications: [notification(id)],
    token: `2:${id}`,
    now,
    leaseExpiresAt: now + 60_000,
    open: ["smtp"],
  });
  return claimed.claimed.length;
};

describe("a scheduled email", () => {
  it("moves to a later time: it does not leave at the first one, and does at the second", async () => {
    const id = await scheduled(1);
    const sendAt = inHours(3);
    const { status, body } = await call("PATCH", `/api/emails/${id}`, { sendAt });
    expect(status).toBe(200);
    expect(body).toEqual({ id, status: "scheduled", dueAt: sendAt });
    await promoteDue(env.DB, Date.now() + 2 * HOUR_MS, 10);
    expect(await claimAt(id, Date.now() + 2 * HOUR_MS)).toBe(0);
    expect(await claimAt(id, Date.now() + 4 * HOUR_MS)).toBe(1);
    expect(await eventTypes(env.DB, id)).toEqual(["scheduled", "scheduled", "queued", "claimed"]);
  });

  it("moves to an earlier time, with a notification for it; the past means now", async () => {
    const id = await scheduled(5);
    const queue = fakeQueue();
    const { body } = await callWith({ EMAIL_QUEUE: queue.queue })("PATCH", `/api/emails/${id}`, {
      sendAt: inHours(-1),
    });
    expect(Date.parse(body.dueAt)).toBeLessThanOrEqual(Date.now());
    expect(queue.sent).toMatchObject([{ body: { emailId: id }, delaySeconds: 0 }]);
    expect(await claimAt(id, Date.now())).toBe(1);
  });

  it("is moved once, however often the request is repeated", async () => {
    const id = await scheduled(1);
    const sendAt = inHours(2);
    for (let n = 0; n < 3; n += 1)
      expect((await call("PATCH", `/api/emails/${id}`, { sendAt })).status).toBe(200);
    expect(await eventTypes(env.DB, id)).toEqual(["scheduled", "scheduled"]);
  });

  it("is moved by its tenant only, at most 30 days ahead", async () => {
    const id = await scheduled(1);
    const { token } = await signUpAs("free");
    const body = { sendAt: inHours(2) };
    expect((await call("PATCH", `/api/emails/${id}`, body, { token })).status).toBe(404);
    const late = await call("PATCH", `/api/emails/${id}`, { sendAt: inHours(31 * 24) });
    expect(late.status).toBe(422);
    expect(late.body.errors).toEqual([
      { path: "sendAt", message: "must be at most 30 days ahead" },
    ]);
    expect(await eventTypes(env.DB, id)).toEqual(["scheduled"]);
  });
});

it.each(["queued", "sending", "sent", "cancelled"])(
  "an email that is %s is not moved, and nothing is written",
  async (status) => {
    const id = await scheduled(1);
    await env.DB.prepare("UPDATE emails SET status = ?2 WHERE id = ?1").bind(id, status).run();
    const answer = await call("PATCH", `/api/emails/${id}`, { sendAt: inHours(2) });
    expect(answer.status).toBe(409);
    expect(answer.body.detail).toContain(status);
    expect(await eventTypes(env.DB, id)).toEqual(["scheduled"]);
  },
);

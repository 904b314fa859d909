import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { emailRow, eventTypes, fakeQueue, notification, queueEmail } from "../support/emails.ts";
import { call, callWith } from "./support.ts";

const HOUR_MS = 3_600_000;

/** An email whose server asks for time: it is due in an hour. */
async function waiting(): Promise<string> {
  const now = Date.now();
  const id = await queueEmail(env.DB, now);
  await env.DB.prepare(
    `UPDATE emails SET wait_class = 'needs-time', waits = 1, waiting_since = ?2, due_at = ?3
     WHERE id = ?1`,
  )
    .bind(id, now, now + HOUR_MS)
    .run();
  return id;
}

it("an email that waits shows why, since when and after how many answers", async () => {
  const id = await waiting();
  const { body } = await call("GET", `/api/emails/${id}`);
  expect(body).toMatchObject({ status: "queued", waiting: { reason: "needs-time", answers: 1 } });
  expect(Date.parse(body.dueAt)).toBeGreaterThan(Date.now());
});

it("an email that does not wait shows no wait", async () => {
  const id = await queueEmail(env.DB, Date.now());
  expect((await call("GET", `/api/emails/${id}`)).body).not.toHaveProperty("waiting");
});

it("an operator ends a wait: the email is due now, with one notification and one event", async () => {
  const id = await waiting();
  const queue = fakeQueue();
  const retry = async () =>
    await callWith({ EMAIL_QUEUE: queue.queue })("POST", `/api/admin/email/${id}/retry`);
  const { status, body } = await retry();
  expect(status).toBe(200);
  expect(Date.parse(body.dueAt)).toBeLessThanOrEqual(Date.now());
  expect(queue.sent).toMatchObject([{ body: notification(id), delaySeconds: 0 }]);
  // It still waits for the same reason: the server may give the same answer.
  expect(await emailRow(env.DB, id)).toMatchObject({ attempts: 0, wait_class: "needs-time" });
  expect((await retry()).status).toBe(200);
  const events = await eventTypes(env.DB, id);
  expect(events.filter((type) => type === "queued")).toHaveLength(2);
});

it("the end of a wait is in the audit log", async () => {
  const id = await waiting();
  await call("POST", `/api/admin/email/${id}/retry`);
  const { body } = await call("GET", "/api/admin/audit");
  expect(body.items[0]).toMatchObject({
    operation: "retryEmail",
    path: `/api/admin/email/${id}/retry`,
  });
});

it.each(["scheduled", "claimed", "sending", "sent", "dead", "unknown"])(
  "the wait of an email that is %s is not ended, and nothing is written",
  async (status) => {
    const id = await waiting();
    await env.DB.prepare("UPDATE emails SET status = ?2 WHERE id = ?1").bind(id, status).run();
    const before = await emailRow(env.DB, id);
    const answer = await call("POST", `/api/admin/email/${id}/retry`);
    expect(answer.status).toBe(409);
    expect(answer.body.detail).toContain(status);
    expect(await emailRow(env.DB, id)).toEqual(before);
  },
);

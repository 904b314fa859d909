import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { claim } from "../../shared/email/sql/claim.ts";
import { findDeadLetters, replay } from "../../shared/email/sql/dead-letters.ts";
import worker from "../../workers/consumer/index.ts";
import {
  detail,
  notification,
  emailRow,
  markSending,
  queueEmail,
  record,
} from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";

const db = env.DB;
const now = Date.now();

beforeEach(async () => {
  await db.batch(
    ["emails", "email_events", "dead_letters"].map((table) => db.prepare(`DELETE FROM ${table}`)),
  );
});

async function deadEmail(): Promise<string> {
  const id = await queueEmail(db, now);
  await claim(db, {
    notifications: [notification(id)],
    token: id,
    now,
    leaseExpiresAt: now + 60_000,
    open: ["smtp"],
  });
  await markSending(db, id, [id], { now, leaseExpiresAt: now + 60_000 });
  await record(db, id, {
    id,
    settlement: { status: "dead", attempts: 4, reason: "exhausted" },
    now,
  });
  return id;
}

const messageOf = (id: string, generation = 1) => ({ v: 1, type: "bury", emailId: id, generation });

async function consume(queue: string, bodies: unknown[], changes: Partial<typeof env> = {}) {
  const messages = bodies.map((body, n) => ({
    id: `message-${n}`,
    timestamp: new Date(now),
    attempts: 1,
    body,
  }));
  const batch = createMessageBatch(queue, messages);
  const ctx = createExecutionContext();
  await worker.queue(batch, { ...env, ...changes });
  const result = await getQueueResult(batch, ctx);
  return {
    acked: result.explicitAcks,
    retried: result.retryMessages.map((message) => message.msgId),
  };
}

const circular: Record<string, unknown> = {};
circular["self"] = circular;

const letters = () => findDeadLetters(db, {}, null, 100);

describe("the dead-letter queue's consumer", () => {
  it("is found by the end of the queue's name, in whichever environment", async () => {
    const id = await deadEmail();
    await consume("luna-staging-email-dlq", [messageOf(id)]);
    expect((await letters()).length).toBe(1);
  });

  it("dead-letters a dead email with reason, last error and attempts, kept for seven days", async () => {
    const id = await deadEmail();
    const result = await consume("luna-email-dlq", [messageOf(id)]);
    expect(result).toEqual({ acked: ["message-0"], retried: [] });
    const [letter] = await letters();
    expect(letter).toMatchObject({
      id,
      kind: "email",
      generation: 1,
      reason: "exhausted",
      attempts: 4,
      lastError: detail,
    });
    expect((letter?.expiresAt ?? 0) - (letter?.buriedAt ?? 0)).toBe(7 * 86_400_000);
  });

  it("makes one dead letter of however many messages, in one batch or in two", async () => {
    const id = await deadEmail();
    await consume("luna-email-dlq", [messageOf(id), messageOf(id)]);
    await consume("luna-email-dlq", [messageOf(id)]);
    expect(await letters()).toHaveLength(1);
  });

  it("ignores a message that comes after a replay, and one of an email that is not dead", async () => {
    const replayed = await deadEmail();
    await replay(db, [replayed], 0, now);
    const alive = await queueEmail(db, now);
    const result = await consume("luna-email-dlq", [
      messageOf(replayed),
      messageOf(replayed, 2),
      messageOf(alive),
      messageOf("no-such-email"),
    ]);
    expect(result.retried).toEqual([]);
    expect(await letters()).toEqual([]);
    expect((await emailRow(db, replayed)).status).toBe("queued");
  });

  it("retries an email hourly, and keeps it as a dead letter before its queue deletes it", async () => {
    const send = {
      v: 1,
      type: "email.send",
      idempotencyKey: "waits",
      message: { to: "ada@example.com", subject: "Hi", text: "Hi" },
    };
    const attempt = async (attempts: number) => {
      const batch = createMessageBatch("luna-email-dlq", [
        { id: "waits", timestamp: new Date(now), attempts, body: send },
      ]);
      const [message] = batch.messages as [Message];
      const calls = { retry: vi.spyOn(message, "retry"), ack: vi.spyOn(message, "ack") };
      await worker.queue(batch, { ...env, EMAIL_FROM: "nobody" });
      return calls;
    };
    expect((await attempt(89)).retry).toHaveBeenCalledExactlyOnceWith({ delaySeconds: 3_600 });
    expect(await letters()).toEqual([]);
    expect((await attempt(90)).ack).toHaveBeenCalledOnce();
    expect(await letters()).toMatchObject([
      { kind: "poison", rawBody: expect.stringContaining("ada@example.com") },
    ]);
  });

  it("acknowledges a notification that the runtime dead-lettered: the row is still due", async () => {
    const id = await queueEmail(db, now);
    expect(await consume("luna-email-dlq", [notification(id)])).toEqual({
      acked: ["message-0"],
      retried: [],
    });
    expect((await emailRow(db, id)).status).toBe("queued");
  });

  it.each([
    ["text"],
    [null],
    [{ v: 2 }],
    [{ v: 1, type: "bury" }],
    [[1, 2]],
    [{ v: 1, emailId: 5, generation: 1 }],
  ])("keeps a message that no schema accepts, with its body: %j", async (body) => {
    expect((await consume("luna-email-dlq", [body])).acked).toEqual(["message-0"]);
    await consume("luna-email-dlq", [body]);
    expect(await letters()).toMatchObject([{ kind: "poison", rawBody: JSON.stringify(body) }]);
  });

  it.each([
    ["a bigint", { n: 1n }, '{"n":"1"}'],
    ["itself", circular, "[object Object] that is not JSON"],
    ["bytes", new Uint8Array([1, 2, 3]).buffer, "base64:AQID"],
    ["a map", new Map([["a", 1]]), '[["a",1]]'],
    ["nothing", undefined, "undefined"],
    ["very much", "x".repeat(100_000), `"${"x".repeat(29_999)}`],
  ])("keeps a message that holds %s, and the letters beside it", async (_, body, rawBody) => {
    const id = await deadEmail();
    expect((await consume("luna-email-dlq", [body, messageOf(id)])).retried).toEqual([]);
    expect((await letters()).map((letter) => letter.rawBody ?? letter.id).toSorted()).toEqual(
      [rawBody, id].toSorted(),
    );
  });

  it("records letters also while DLQ_RETENTION_DAYS is bad: for seven days", async () => {
    const id = await deadEmail();
    await consume("luna-email-dlq", [messageOf(id)], { DLQ_RETENTION_DAYS: "forever" });
    const [letter] = await letters();
    expect((letter?.expiresAt ?? 0) - (letter?.buriedAt ?? 0)).toBe(7 * 86_400_000);
  });

  it("acknowledges nothing that D1 does not hold", async () => {
    const id = await deadEmail();
    await db.prepare("ALTER TABLE dead_letters RENAME TO gone").run();
    const result = await consume("luna-email-dlq", [messageOf(id), "poison", notification(id)]);
    await db.prepare("ALTER TABLE gone RENAME TO dead_letters").run();
    expect(result).toEqual({ acked: ["message-2"], retried: ["message-0", "message-1"] });
  });
});

describe("the email queue's consumer", () => {
  it("notifies again later while D1 cannot be reached, and never throws", async () => {
    const id = await queueEmail(db, now);
    await db.prepare("ALTER TABLE email_events RENAME TO gone").run();
    const result = await consume("luna-email", [notification(id)]);
    await db.prepare("ALTER TABLE gone RENAME TO email_events").run();
    expect(result).toEqual({ acked: [], retried: ["message-0"] });
  });

  it("goes on with what it claimed although the reply of the claim was lost", async () => {
    const id = await queueEmail(db, now);
    const result = await consume("luna-email", [notification(id)], { DB: losingReplies(db) });
    expect(result).toEqual({ acked: ["message-0"], retried: [] });
    // Nothing listens on the test's SMTP port.
    const waits = { status: "queued", attempts: 0, wait_class: "server", waits: 1 };
    expect(await emailRow(db, id)).toMatchObject(waits);
  });

  it.each([
    ["EMAIL_MAX_WAIT_HOURS", "-1"],
    ["SMTP_HOST", ""],
    ["SMTP_PORT", "many"],
    ["EMAIL_MAX_RETRIES", "-1"],
  ])("keeps every message while %s is %j", async (variable, value) => {
    const id = await queueEmail(db, now);
    await consume("luna-email", [notification(id)], { [variable]: value });
    expect((await emailRow(db, id)).status).toBe("queued");
  });
});

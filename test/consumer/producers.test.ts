import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { findDeadLetters } from "../../shared/email/sql/dead-letters.ts";
import { insertTrusted } from "../../shared/email/sql/senders.ts";
import worker from "../../workers/consumer/index.ts";
import { fakeQueue } from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";

const db = env.DB;
const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };
const produced = (message: unknown = email, idempotencyKey = "order-1") => ({
  v: 1,
  type: "email.send",
  idempotencyKey,
  message,
});

let notifications = fakeQueue();
let deadLetters = fakeQueue();
beforeEach(async () => {
  [notifications, deadLetters] = [fakeQueue(), fakeQueue()];
  await db.batch(
    ["emails", "email_events", "dead_letters", "idempotency_keys", "suppressions", "senders"].map(
      (table) => db.prepare(`DELETE FROM ${table}`),
    ),
  );
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();
  return () => void vi.restoreAllMocks();
});

async function consume(queue: string, bodies: unknown[], changes: Partial<typeof env> = {}) {
  const messages = bodies.map((body, n) => ({
    id: `message-${n}`,
    timestamp: new Date(),
    attempts: 1,
    body,
  }));
  const batch = createMessageBatch(queue, messages);
  await worker.queue(batch, {
    ...env,
    EMAIL_QUEUE: notifications.queue,
    EMAIL_DLQ: deadLetters.queue,
    ...changes,
  });
  const result = await getQueueResult(batch, createExecutionContext());
  return { acked: result.explicitAcks, retried: result.retryMessages.map(({ msgId }) => msgId) };
}
const emails = async () =>
  (
    await db
      .prepare("SELECT id, tenant, status, subject FROM emails")
      .all<{ id: string; tenant: string; status: string; subject: string }>()
  ).results;
const dead = {
  prepare: () => ({ bind: () => ({ first: down, all: down, run: down }) }),
  batch: down,
} as unknown as D1Database;
async function down(): Promise<never> {
  throw new Error("Network connection lost.");
}

describe("an email that another Worker puts on the queue", () => {
  it("is accepted as over HTTP: in D1, with its notification, for the producers' tenant", async () => {
    expect(await consume("luna-email", [produced()])).toEqual({
      acked: ["message-0"],
      retried: [],
    });
    const [row] = await emails();
    expect(row).toMatchObject({ tenant: "producer", status: "queued", subject: "Hello" });
    expect(notifications.sent).toEqual([
      { body: { v: 1, emailId: row?.id, generation: 1 }, delaySeconds: 0 },
    ]);
  });

  it("is refused by name if a text is not well-formed Unicode, and no other with it", async () => {
    const halves = [
      { ...email, subject: "half \ud83c" },
      { to: email.to, template: "welcome", data: { userId: "half \ud83c", tier: "pro" } },
    ];
    const { acked } = await consume("luna-email", [
      ...halves.map((message, n) => produced(message, `half-${n}`)),
      produced(),
    ]);
    expect(acked).toHaveLength(3);
    expect(await emails()).toHaveLength(1);
    expect(deadLetters.sent).toMatchObject([
      { body: { type: "poison", reason: "refused: subject is not well-formed Unicode" } },
      { body: { type: "poison", reason: "refused: data.userId is not well-formed Unicode" } },
    ]);
  });

  it("is accepted once, however often it is delivered or repeated", async () => {
    await consume("luna-email", [produced(), produced()]);
    await consume("luna-email", [produced()]);
    await consume("luna-email-dlq", [produced()]);
    expect(await emails()).toHaveLength(1);
    expect(notifications.sent).toHaveLength(1);
  });

  it("may come from a shared sender or one of the producers, by name refused from another", async () => {
    const [shared, own, other] = ["shared", "own", "other"].map((name) => `${name}.example`);
    for (const [identity = "", tenant] of [
      [shared, ""],
      [own, "producer"],
      [other, "admin"],
    ] as const)
      await insertTrusted(
        db,
        { id: identity, identity, tenant, name: "Acme", transportOrder: [] },
        Date.now(),
      );
    const from = (domain = "") => produced({ ...email, from: `a@${domain}` }, domain);
    await consume("luna-email", [from(shared), from(own), from(other)]);
    const { results } = await db.prepare("SELECT from_address AS sender FROM emails").all();
    expect(results.map(({ sender }) => sender).toSorted()).toEqual([
      "Acme <a@own.example>",
      "Acme <a@shared.example>",
    ]);
    expect(deadLetters.sent).toMatchObject([
      { body: { type: "poison", reason: expect.stringContaining("refused: from must be") } },
    ]);
  });

  it("may be a template, for later, and stands beside notifications in one batch", async () => {
    const sendAt = new Date(Date.now() + 3_600_000).toISOString();
    const welcome = {
      to: "eve@example.com",
      template: "welcome",
      data: { userId: "eve", tier: "free" },
      sendAt,
    };
    const bodies = [
      produced(),
      { v: 1, emailId: "no-such", generation: 1 },
      produced(welcome, "welcome-eve"),
    ];
    expect((await consume("luna-email", bodies)).acked.toSorted()).toEqual([
      "message-0",
      "message-1",
      "message-2",
    ]);
    expect((await emails()).map(({ subject }) => subject).toSorted()).toEqual([
      "Hello",
      "Welcome to Luna, eve",
    ]);
  });

  it("is retried while D1 is down, on both queues: it is never dropped", async () => {
    for (const queue of ["luna-email", "luna-email-dlq"]) {
      expect(await consume(queue, [produced()], { DB: dead })).toEqual({
        acked: [],
        retried: ["message-0"],
      });
    }
    expect((await consume("luna-email-dlq", [produced()])).acked).toEqual(["message-0"]);
    expect(await emails()).toHaveLength(1);
  });

  it("is acknowledged although the reply of D1 is lost, and accepted once", async () => {
    expect((await consume("luna-email", [produced()], { DB: losingReplies(db) })).acked).toEqual([
      "message-0",
    ]);
    await consume("luna-email", [produced()]);
    expect(await emails()).toHaveLength(1);
  });

  it.each([
    ["a field that is wrong", produced({ ...email, to: "nobody" }), "to must be one address"],
    ["an unknown field", produced({ ...email, cci: "x@y.zz" }), "cci is not a known field"],
    [
      "data that does not fit",
      produced({ to: email.to, template: "welcome", data: {} }),
      "data.userId is required",
    ],
  ])("that has %s becomes a dead letter with that reason and its body", async (_, body, reason) => {
    expect(await consume("luna-email", [body, produced(email, "good")])).toEqual({
      acked: ["message-0", "message-1"],
      retried: [],
    });
    expect(deadLetters.sent).toMatchObject([
      {
        body: {
          type: "poison",
          reason: expect.stringContaining(reason),
          raw: JSON.stringify(body),
        },
      },
    ]);
    expect(await emails()).toHaveLength(1);
    await consume(
      "luna-email-dlq",
      deadLetters.sent.map((sent) => sent.body),
    );
    expect(await findDeadLetters(db, {}, null, 10)).toMatchObject([
      { kind: "poison", reason: expect.stringContaining(reason) },
    ]);
  });

  it("to a suppressed recipient, or under another email's key, becomes a dead letter", async () => {
    await db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES ('eve@example.com', 'all', 'manual', 0)`,
      )
      .run();
    await consume("luna-email", [produced()]);
    await consume("luna-email", [
      produced({ ...email, to: "eve@example.com" }, "eve"),
      produced({ ...email, subject: "Other" }),
    ]);
    expect(deadLetters.sent.map(({ body }) => ("reason" in body ? body.reason : ""))).toEqual([
      expect.stringContaining("an operator suppressed the address"),
      expect.stringContaining("Idempotency-Key"),
    ]);
    expect(await emails()).toHaveLength(1);
  });

  it("that needs an unsubscribe link waits on the queue while links are not configured", async () => {
    const news = produced({ ...email, category: "marketing" });
    expect(await consume("luna-email", [news], { UNSUBSCRIBE_SECRET: "" })).toEqual({
      acked: [],
      retried: ["message-0"],
    });
    expect(await emails()).toEqual([]);
    expect((await consume("luna-email", [news])).acked).toEqual(["message-0"]);
  });

  it("that is refused on the dead-letter queue is kept with its reason", async () => {
    expect((await consume("luna-email-dlq", [produced({ ...email, to: "nobody" })])).acked).toEqual(
      ["message-0"],
    );
    expect(await findDeadLetters(db, {}, null, 10)).toMatchObject([
      { kind: "poison", reason: expect.stringContaining("to must be") },
    ]);
  });

  it("without a key is no message of this queue", async () => {
    await consume("luna-email", [{ v: 1, type: "email.send", message: email }]);
    expect(deadLetters.sent).toMatchObject([
      { body: { type: "poison", reason: "not a message of this queue" } },
    ]);
    expect(await emails()).toEqual([]);
  });
});

import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { assumptions } from "../../bench/cost/assumptions.ts";
import { rowHeldTo, rowOn, type PricedOperation } from "../../bench/cost/operations.ts";
import page from "../../docs/operate/cost.md?raw";
import { insertEmail } from "../../shared/email/sql/accept.ts";
import worker from "../../workers/consumer/index.ts";
import { CountedPlatform, queueOperationsOf } from "../support/counted-platform.ts";
import { notification } from "../support/emails.ts";
import { runTask } from "../support/run-task.ts";

/** What a queue batch of emails makes the platform do: the counts of docs/operate/cost.md. */

let platform: CountedPlatform;
let bindings: typeof env;

beforeEach(() => {
  platform = new CountedPlatform();
  bindings = {
    ...env,
    DB: platform.database(env.DB),
    EMAIL_QUEUE: platform.queue(),
    EMAIL_DLQ: platform.queue(),
    CIRCUIT_BREAKER: platform.objects("CIRCUIT_BREAKER", env.CIRCUIT_BREAKER, "cost"),
    TELEMETRY: platform.objects("TELEMETRY", env.TELEMETRY, "cost"),
    EMAIL_TRANSPORTS: "cloudflare",
    EMAIL: { send: async () => ({ messageId: crypto.randomUUID() }) },
  };
});
afterEach(() => void vi.restoreAllMocks());

/**
 * Queues so many emails and delivers them as one batch.
 *
 * @param db where they are queued
 * @returns their ids
 */
async function deliver(emails: number, db = env.DB): Promise<string[]> {
  const ids = Array.from({ length: emails }, () => crypto.randomUUID());
  const email = {
    tenant: "admin",
    from: "Luna <hello@luna.example>",
    to: "ada@example.com",
    subject: "Hi",
    text: "Hi",
    onUnknown: "hold" as const,
  };
  await db.batch(ids.flatMap((id) => insertEmail(db, { ...email, id }, Date.now())));
  const messages = ids.map((id) => ({
    id,
    timestamp: new Date(),
    attempts: 1,
    body: notification(id),
  }));
  const batch = createMessageBatch("luna-email", messages);
  platform.add("requests", 1);
  // A batch that goes on for a second looks for what waits behind it.
  const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now());
  await worker.queue(batch, bindings);
  clock.mockRestore();
  const { explicitAcks } = await getQueueResult(batch, createExecutionContext());
  expect(explicitAcks).toHaveLength(emails);
  // Each is read once, and deleted once it is acknowledged.
  for (const { body } of messages) platform.add("queueOperations", 2 * queueOperationsOf(body));
  return ids;
}

const size = async (): Promise<number> => (await env.DB.prepare("SELECT 1").run()).meta.size_after;
const sent = async (): Promise<number | null> =>
  await env.DB.prepare("SELECT COUNT(*) AS n FROM emails WHERE status = 'sent'").first("n");
const D1_QUERIES_PER_INVOCATION = 1_000;

describe("an isolate that has its lease makes the platform do what the page states for", () => {
  it.each([
    [1, "queue batch of 1 delivered"],
    [10, "queue batch of 10 delivered"],
    [100, "queue batch of 100 delivered"],
  ] satisfies [number, PricedOperation][])(
    "a batch of %i emails, all taken at the first attempt",
    async (emails, name) => {
      await deliver(1);
      await platform.take();
      const [sentBefore, bytesBefore] = [(await sent()) ?? 0, await size()];
      await deliver(emails);
      expect(rowHeldTo(page, name, await platform.take())).toBe(rowOn(page, name));
      expect(await sent()).toBe(sentBefore + emails);
      if (emails < 100) return;
      // The page says: far below what an invocation may ask, and no more space in D1, besides the
      // body, than is assumed.
      expect(platform.d1Statements).toBeLessThan(D1_QUERIES_PER_INVOCATION / 4);
      const bytes = ((await size()) - bytesBefore) / emails;
      expect(bytes).toBeLessThanOrEqual(assumptions.emailBytesBesidesBody);
      expect(bytes).toBeGreaterThan(assumptions.emailBytesBesidesBody / 2);
    },
  );
});

/** 12 when it is accepted; 3 when it is claimed, 3 when it is handed over and 4 when it is sent. */
it("an email writes at most 22 rows until it is over, its provider's id among them", async () => {
  await deliver(1);
  await platform.take();
  const [id] = await deliver(1, bindings.DB);
  expect((await platform.take()).d1RowsWritten).toBeLessThanOrEqual(22);
  const sentAs = "SELECT status, provider_id IS NOT NULL AS known FROM emails WHERE id = ?1";
  expect(await env.DB.prepare(sentAs).bind(id).first()).toEqual({ status: "sent", known: 1 });
});

it("100 emails that are deleted after their retention cost what the page states", async () => {
  await env.DB.prepare("DELETE FROM emails").run();
  await deliver(100);
  await env.DB.prepare("UPDATE emails SET updated_at = 0").run();
  await platform.take();
  const done = await runTask("expire-emails", { DB: bindings.DB });
  expect(done).toEqual({ contents: 100, emails: 100, left: 0, late: 0 });
  const counted = await platform.take();
  expect(rowHeldTo(page, "100 emails deleted", counted)).toBe(rowOn(page, "100 emails deleted"));
  expect(counted.d1RowsWritten / 100).toBeLessThanOrEqual(14);
});

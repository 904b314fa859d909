import { env } from "cloudflare:workers";
import { expect, inject, it } from "vitest";
import { claimAdmitted } from "../../shared/email/delivery/claim-admitted.ts";
import { deliverClaim } from "../../shared/email/delivery/deliver.ts";
import type { Delivery } from "../../shared/email/delivery/ports.ts";
import type { Notification, QueueMessage } from "../../shared/email/queue-messages.ts";
import {
  accepted,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  waitLimits,
} from "../support/emails.ts";

/** What 100,000 emails of one tenant cost another, in `test:deep`: time, and rows of D1. */

const db = env.DB;
const isDeep = inject("stored").length > 1;
const start = 1_700_000_000_000;
const HAND_OVER_MS = 100;

/** SQL of `?2` emails of a tenant, from the number `?1` on. */
async function backlog(first: number, emails: number): Promise<void> {
  const numbers = `WITH RECURSIVE numbers(n) AS (
    SELECT CAST(?1 AS INTEGER) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1 + ?2 - 1)`;
  await db.batch([
    db
      .prepare(
        `${numbers} INSERT INTO emails (id, tenant, format, category, generation_at, status,
           from_address, to_address, subject, due_at, ring_after, created_at, updated_at)
         SELECT 'bulk-' || n, 'user:a', 2, 'marketing', ?3, 'queued', 'a@luna.example',
           'ada-' || n || '@example.com', 'News', ?3, ?3 + 60000, ?3, ?3 FROM numbers`,
      )
      .bind(first, emails, start),
    db
      .prepare(
        `${numbers} INSERT INTO email_contents (email_id, text) SELECT 'bulk-' || n, 'Hi'
         FROM numbers WHERE ?3 > 0`,
      )
      .bind(first, emails, start),
  ]);
}

/** @returns how long the reset waited, and what its batches read until it left */
async function resetBehind(emails: number): Promise<{ waitedMs: number; rowsPerBatch: number }> {
  await db.batch(
    ["emails", "email_events", "email_contents", "transport_pace", "email_backlogs"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
  const page = Math.min(emails, 10_000);
  for (let n = 0; n < emails; n += page) await backlog(n, page);
  let [now, batches, rows] = [start, 0, 0];
  const counted = new Proxy(db, {
    get: (target, name) => {
      if (name === "prepare") return target.prepare.bind(target);
      return async (statements: D1PreparedStatement[]) => {
        const results = await target.batch(statements);
        rows += results.reduce((sum, { meta }) => sum + meta.rows_read, 0);
        return results;
      };
    },
  });
  const left = new Map<string, number>();
  const waiting: { at: number; body: Notification }[] = [];
  const queue = {
    sendBatch: async (messages: Iterable<MessageSendRequest<QueueMessage>>) => {
      for (const { body, delaySeconds = 0 } of messages)
        waiting.push({ at: now + 1_000 * delaySeconds, body: body as Notification });
    },
  } as unknown as Queue<QueueMessage>;
  let endsAt = 0;
  const smtp = fakeTransport(async ({ id }) => {
    left.set(id, now);
    if (now >= endsAt) endsAt = now + HAND_OVER_MS;
    await Promise.resolve();
    now = Math.max(now, endsAt);
    return accepted;
  });
  const ports: Delivery = {
    db: counted,
    queue,
    deadLetterQueue: fakeQueue().queue,
    transports: [smtp],
    policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
    clock: () => now,
    random: () => 0.5,
    sleep: async (ms) => void (now += ms),
    waitLimits,
    unsubscribe: { publicUrl: "https://luna.example", secret: "s".repeat(32) },
    emailIdHeader: "X-Luna-Email",
  };
  // The queue has the notifications of the backlog in their order, and that of the reset last.
  let next = 0;
  const deliver = async (): Promise<void> => {
    const again = waiting.splice(0).flatMap(({ body }) => body);
    const fresh = Array.from({ length: 100 - Math.min(again.length, 100) }, () =>
      notification(`bulk-${next++}`),
    );
    const token = `2:deep-${emails}-${(batches += 1)}`;
    const claim = await claimAdmitted(ports, [...again.slice(0, 100), ...fresh], token);
    if (claim !== null) await deliverClaim(ports, token, claim);
  };
  await deliver();
  const reset = await queueEmail(db, now, { tenant: "user:b" });
  const since = now;
  [rows, batches] = [0, 0];
  for (let n = 0; n < 20 && !left.has(reset); n += 1) await deliver();
  return { waitedMs: (left.get(reset) ?? Infinity) - since, rowsPerBatch: rows / batches };
}

it.skipIf(!isDeep)(
  "a password reset leaves within 5 s behind 100,000 emails of another tenant, for the same rows",
  async () => {
    const few = await resetBehind(1_000);
    const many = await resetBehind(100_000);
    expect(many.waitedMs).toBeLessThanOrEqual(5_000);
    expect(many.rowsPerBatch).toBeLessThanOrEqual(few.rowsPerBatch * 1.1);
  },
);

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { claimAdmitted } from "../../shared/email/delivery/claim-admitted.ts";
import { deliverClaim } from "../../shared/email/delivery/deliver.ts";
import { GROUP_SIZE } from "../../shared/email/delivery/lease.ts";
import type { Delivery } from "../../shared/email/delivery/ports.ts";
import type { Notification, QueueMessage } from "../../shared/email/queue-messages.ts";
import type { EmailCategory } from "../../shared/email/schemas.ts";
import { insertEmails, newRow } from "../../shared/email/sql/accept.ts";
import {
  accepted,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  waitLimits,
} from "../support/emails.ts";

/**
 * How long the emails of one tenant wait while another has a backlog: real D1, with a queue and a
 * clock of the test's own. One consumer takes the queue's messages in their order, 100 at a time.
 */

const db = env.DB;
const start = 1_700_000_000_000;
let now = start;
let queued: { at: number; body: Notification }[] = [];
let left = new Map<string, number>();
let batches = 0;

beforeEach(async () => {
  now = start;
  queued = [];
  left = new Map();
  await db.batch(
    ["emails", "email_events", "transport_pace", "email_backlogs"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

const queue = {
  sendBatch: async (messages: Iterable<MessageSendRequest<QueueMessage>>) => {
    for (const { body, delaySeconds = 0 } of messages)
      queued.push({ at: now + 1_000 * delaySeconds, body: body as Notification });
  },
} as unknown as Queue<QueueMessage>;

/** Hand-overs take their time from the clock, those of one group side by side. */
function delivery(everyMs: number | null, handOverMs: number): Delivery {
  let group = { begunAt: 0, endsAt: 0 };
  return {
    db,
    queue,
    deadLetterQueue: fakeQueue().queue,
    transports: [
      fakeTransport(
        async ({ id }) => {
          left.set(id, now);
          if (now >= group.endsAt) group = { begunAt: now, endsAt: now + handOverMs };
          await Promise.resolve();
          now = Math.max(now, group.endsAt);
          return accepted;
        },
        { name: "smtp", everyMs },
      ),
    ],
    policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
    clock: () => now,
    random: () => 0.5,
    sleep: async (ms) => {
      const until = now + ms;
      await Promise.resolve();
      now = Math.max(now, until);
    },
    waitLimits,
    unsubscribe: { publicUrl: "https://luna.example", secret: "s".repeat(32) },
    emailIdHeader: "X-Luna-Email",
  };
}

/** Delivers one batch of the queue, or waits for its next message. */
async function step(ports: Delivery): Promise<void> {
  queued.sort((a, b) => a.at - b.at);
  const ready = queued.filter(({ at }) => at <= now).length;
  if (ready === 0) {
    now = queued[0]?.at ?? now + 1_000;
    return;
  }
  const batch = queued.splice(0, Math.min(ready, 100)).map(({ body }) => body);
  const token = `2:fair-${(batches += 1)}`;
  const claim = await claimAdmitted(ports, batch, token);
  if (claim !== null) await deliverClaim(ports, token, claim);
}

async function backlogOf(tenant: string, emails: number, category: EmailCategory): Promise<void> {
  const email = { tenant, category, from: "a@luna.example", to: "ada@example.com", subject: "Hi" };
  const ids = Array.from({ length: emails }, (_, n) => `${tenant}-${n}`);
  const many = ids.map((id) => ({ ...email, id, text: "Hi", onUnknown: "hold" as const }));
  const rows = JSON.stringify(many.map((one) => newRow(one, now)));
  const { heads, recipients, events, contents } = insertEmails(db, many, rows);
  await db.batch([heads, recipients, events, ...contents]);
  queued.push(...ids.map((id) => ({ at: now, body: notification(id) })));
}

async function queueReset(tenant: string): Promise<string> {
  const id = await queueEmail(db, now, { tenant });
  queued.push({ at: now, body: notification(id) });
  return id;
}

async function waitedFor(id: string, ports: Delivery): Promise<number> {
  const since = now;
  for (let steps = 0; steps < 500 && !left.has(id); steps += 1) await step(ports);
  return (left.get(id) ?? Infinity) - since;
}

describe.each([
  ["no rate", null, 100],
  ["a rate of 10 per second", 100, 20],
  ["a rate of 5 per second", 200, 50],
] as const)("a password reset, over a transport with %s,", (_, everyMs, handOverMs) => {
  it.each(["marketing", "transactional"] as const)(
    "leaves within 5 s although another tenant's %s emails are before it",
    async (category) => {
      const ports = delivery(everyMs, handOverMs);
      await backlogOf("user:a", 600, category);
      await step(ports);
      // Other consumers have reserved as far ahead as a tenant with a backlog may.
      await db
        .prepare("UPDATE transport_pace SET free_at = MAX(free_at, ?1)")
        .bind(now + 1_500 + GROUP_SIZE * (everyMs ?? 0))
        .run();
      const reset = await queueReset("user:b");
      expect(await waitedFor(reset, ports)).toBeLessThanOrEqual(5_000);
    },
  );
});

it("tenants with equal backlogs get equal shares of a rate", async () => {
  const ports = delivery(100, 20);
  const tenants = ["user:a", "user:b", "user:c"];
  for (const tenant of tenants) await backlogOf(tenant, 150, "marketing");
  while (now < start + 30_000) await step(ports);
  const { results } = await db
    .prepare("SELECT tenant, COUNT(*) AS n FROM emails WHERE status = 'sent' GROUP BY tenant")
    .all<{ tenant: string; n: number }>();
  const sent = results.map(({ n }) => n);
  expect(results.map(({ tenant }) => tenant)).toEqual(tenants);
  expect(sent.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(200);
  expect(Math.min(...sent)).toBeGreaterThan(Math.max(...sent) / 2);
});

it("what waits elsewhere is taken from each tenant in turn, and nothing twice", async () => {
  const tenants = Array.from({ length: 30 }, (_, n) => `user:${String(n).padStart(2, "0")}`);
  const resets = await Promise.all(tenants.map(queueReset));
  await backlogOf("user:z", 1_100, "marketing");
  now += 2_000;
  const ports = delivery(null, 1);
  for (let n = 0; n < 8; n += 1) await step(ports);
  expect(resets.filter((id) => !left.has(id))).toEqual([]);
  const claims = await db
    .prepare(
      "SELECT COUNT(*) - COUNT(DISTINCT email_id) AS n FROM email_events WHERE type = 'claimed'",
    )
    .first("n");
  expect(claims).toBe(0);
});

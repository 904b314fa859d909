import { env } from "cloudflare:workers";
import { beforeEach, expect, it } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import { takeFeedback } from "../../shared/email/sql/feedback.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import {
  detail,
  accepted,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  refused,
  refusedForGood,
  waitLimits,
} from "../support/emails.ts";

/** The counter `emailsSent` of a user: emails of their key that a transport accepted. */

const db = env.DB;
const now = 1_700_000_000_000;
const unknown: Outcome = { kind: "unknown", detail };

beforeEach(async () => {
  await db.batch(
    ["usage_metrics", "emails", "email_events", "dead_letters", "users"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
  for (const [n, userId] of ["ada", "bob", "gone"].entries())
    await db
      .prepare(
        `INSERT INTO users (user_id, email, tier, created_at, updated_at, deleted_at)
         VALUES (?1, ?2, 'free', 0, 0, ?3)`,
      )
      .bind(userId, n === 2 ? null : `${userId}@example.com`, n === 2 ? 1 : null)
      .run();
});

async function emailOf(tenant: string): Promise<string> {
  const id = await queueEmail(db, now);
  await db.prepare("UPDATE emails SET tenant = ?2 WHERE id = ?1").bind(id, tenant).run();
  return id;
}

async function deliver(ids: string[], answer: (id: string) => Outcome): Promise<void> {
  const queue = fakeQueue();
  const token = crypto.randomUUID();
  const { claimed } = await claim(db, {
    notifications: ids.map((id) => notification(id)),
    token,
    now,
    leaseExpiresAt: now + LEASE_MS,
    open: ["smtp"],
  });
  await deliverClaimed(
    {
      db,
      queue: queue.queue,
      deadLetterQueue: queue.queue,
      transports: [fakeTransport(async (email) => answer(email.id))],
      policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
      waitLimits,
      clock: () => now,
      random: () => 0.5,
      sleep: async () => undefined,
      unsubscribe: { publicUrl: "https://luna.test", secret: "s".repeat(32) },
      emailIdHeader: "X-Luna-Email",
    },
    token,
    claimed,
  );
}

const counted = async () =>
  (
    await db.prepare("SELECT user_id, metric, amount FROM usage_metrics ORDER BY user_id").all()
  ).results.map(({ user_id, metric, amount }) => [user_id, metric, amount]);

it("counts what a transport accepted, for the users whose keys sent it, and nothing else", async () => {
  const [first, second, ofBob, dead, later, open, ofAdmin, ofGone] = await Promise.all(
    [
      "user:ada",
      "user:ada",
      "user:bob",
      "user:ada",
      "user:ada",
      "user:ada",
      "admin",
      "user:gone",
    ].map(emailOf),
  );
  const outcomes = new Map<string | undefined, Outcome>([
    [dead, refusedForGood],
    [later, refused],
    [open, unknown],
  ]);
  const ids = [first, second, ofBob, dead, later, open, ofAdmin, ofGone].filter(
    (id) => id !== undefined,
  );
  await deliver(ids, (id) => outcomes.get(id) ?? accepted);
  expect(await counted()).toEqual([
    ["ada", "emailsSent", 2],
    ["bob", "emailsSent", 1],
  ]);
});

it("counts an unknown email once: when an operator or its provider reports it as sent", async () => {
  const [resolved, reported] = [await emailOf("user:ada"), await emailOf("user:ada")];
  await deliver([resolved, reported], () => unknown);
  expect(await counted()).toEqual([]);
  await resolveUnknown(db, resolved, "sent", now);
  await resolveUnknown(db, resolved, "sent", now);
  await db.prepare("UPDATE emails SET transport = 'resend' WHERE id = ?").bind(reported).run();
  for (const [n, feedback] of (["accepted", "delivered", "complained"] as const).entries())
    await takeFeedback(
      db,
      {
        provider: "resend",
        messageId: `m-${n}`,
        report: {
          feedback,
          email: { id: reported, generation: 1, part: 1 },
          to: [],
          providerId: "re-1",
          suppress: null,
          detail: { ...detail, code: "email.sent" },
        },
      },
      now,
    );
  expect(await counted()).toEqual([["ada", "emailsSent", 2]]);
});

it("does not count the emails of a test key", async () => {
  const [tested, sent, resolved] = await Promise.all([1, 2, 3].map(() => emailOf("user:ada")));
  const mark = db.prepare("UPDATE emails SET test = 1 WHERE id IN (?, ?)");
  await mark.bind(tested, resolved).run();
  await deliver([String(tested), String(sent)], () => accepted);
  await db.prepare("UPDATE emails SET status = 'unknown' WHERE id = ?").bind(resolved).run();
  await resolveUnknown(db, String(resolved), "sent", now);
  expect(await counted()).toEqual([["ada", "emailsSent", 1]]);
});

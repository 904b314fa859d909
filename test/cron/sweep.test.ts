import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { claim, postpone } from "../../shared/email/sql/claim.ts";
import { expiredLeases, settleExpired } from "../../shared/email/sql/expiry.ts";
import { emailsToNotify, recordNotifications } from "../../shared/email/sql/notifications.ts";
import { runSweep, type Sweep } from "../../shared/email/sweep.ts";
import {
  detail,
  notification,
  fakeQueue,
  emailRow,
  markSending,
  queueEmail,
  record,
  waitLimits,
} from "../support/emails.ts";

const db = env.DB;
const start = 1_700_000_000_000;
const MINUTE_MS = 60_000;

let notifications = fakeQueue();
let deadLetters = fakeQueue();
beforeEach(async () => {
  notifications = fakeQueue();
  deadLetters = fakeQueue();
  await db.batch(
    ["emails", "email_events", "dead_letters", "idempotency_keys"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

const sweep = (now: number, changes: Partial<Sweep> = {}) => {
  const policy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
  return runSweep(
    {
      db,
      queue: notifications.queue,
      deadLetterQueue: deadLetters.queue,
      policy,
      waitLimits,
      everything: false,
      ...changes,
    },
    now,
    () => 0.5,
  );
};

describe("the sweeper notifies", () => {
  it("for an email whose notification was lost, after a minute", async () => {
    const id = await queueEmail(db, start);
    expect(await sweep(start + MINUTE_MS - 1)).toMatchObject({ notified: 0 });
    expect(await sweep(start + MINUTE_MS)).toMatchObject({ notified: 1 });
    expect(notifications.sent).toEqual([{ body: notification(id) }]);
  });

  it("less and less often for a backlog that is not claimed: after 1, 2, 4, 8, 16 minutes", async () => {
    await queueEmail(db, start);
    const notifiedAt: number[] = [];
    for (let minute = 0; minute <= 40; minute += 1) {
      if ((await sweep(start + minute * MINUTE_MS)).notified > 0) notifiedAt.push(minute);
    }
    expect(notifiedAt).toEqual([1, 3, 7, 15, 31]);
  });

  it("of everything that is due when an operator asks, however often it did already", async () => {
    await queueEmail(db, start);
    await queueEmail(db, start + MINUTE_MS);
    expect(await sweep(start + 1, { everything: true })).toMatchObject({ notified: 1 });
    expect(await sweep(start + 2, { everything: true })).toMatchObject({ notified: 1 });
  });

  it("of a thousand emails at most in one run, longest waiting first, and then of the rest", async () => {
    const row = `INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address,
      subject,
        text, due_at, ring_after, created_at, updated_at)`;
    await db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         ${row} SELECT 'bulk-' || i, 'admin', 0, 'queued', 'a@luna.example', 'b@example.com', 's',
           't', i, i, 0, 0 FROM n`,
      )
      .run();
    expect(await sweep(start)).toMatchObject({ notified: 1_000 });
    expect(notifications.sent[0]?.body).toEqual(notification("bulk-1"));
    expect(await sweep(start)).toMatchObject({ notified: 200 });
    expect(await sweep(start)).toMatchObject({ notified: 0 });
  });

  it("again next time for emails whose notifications it could not send", async () => {
    await queueEmail(db, start);
    await expect(sweep(start + MINUTE_MS, { queue: fakeQueue(true).queue })).rejects.toThrow(
      "the queue is down",
    );
    expect(await sweep(start + MINUTE_MS)).toMatchObject({ notified: 1 });
  });
});

describe("the sweeper reclaims", () => {
  async function leased(
    now: number,
    sending: boolean,
    onUnknown: "hold" | "resend" = "hold",
  ): Promise<string> {
    const id = await queueEmail(db, now, { onUnknown });
    await claim(db, {
      notifications: [notification(id)],
      token: id,
      now,
      leaseExpiresAt: now + MINUTE_MS,
      open: ["smtp"],
    });
    if (sending) await markSending(db, id, [id], { now, leaseExpiresAt: now + MINUTE_MS });
    return id;
  }

  it("nothing whose lease is alive", async () => {
    await leased(start, false);
    await leased(start, true);
    expect(await sweep(start + MINUTE_MS - 1)).toMatchObject({ released: 0, unknown: 0 });
  });

  it("a claimed email, which has not left, and notifies for it at once", async () => {
    const id = await leased(start, false);
    expect(await sweep(start + MINUTE_MS)).toMatchObject({ released: 1, unknown: 0, notified: 1 });
    expect(await emailRow(db, id)).toMatchObject({
      status: "queued",
      attempts: 0,
      lease_token: null,
    });
  });

  it("an email in hand-over as unknown, or into the queue if the sender chose that", async () => {
    const held = await leased(start, true);
    const resent = await leased(start, true, "resend");
    expect(await sweep(start + MINUTE_MS)).toMatchObject({ released: 1, unknown: 1 });
    expect(await emailRow(db, held)).toMatchObject({ status: "unknown", attempts: 1 });
    expect(await emailRow(db, resent)).toMatchObject({ status: "queued", attempts: 1 });
  });

  it("a pinned email once its provider has forgotten the key: unknown, or dead by choice", async () => {
    const pin = async (onUnknown: "hold" | "resend", until: number): Promise<string> => {
      const id = await queueEmail(db, start, { onUnknown });
      await db
        .prepare(
          `UPDATE emails SET status = 'pinned', transport = 'resend', pinned_until = ?2,
             attempts = 9 WHERE id = ?1`,
        )
        .bind(id, until)
        .run();
      return id;
    };
    const [held, resent, open] = [
      await pin("hold", start),
      await pin("resend", start),
      await pin("hold", start + 1),
    ];
    expect(await sweep(start)).toMatchObject({ unknown: 1 });
    expect(await emailRow(db, held)).toMatchObject({ status: "unknown", attempts: 9 });
    expect(await emailRow(db, resent)).toMatchObject({ status: "dead" });
    expect(await emailRow(db, open)).toMatchObject({ status: "pinned" });
  });

  it("nothing whose lease was renewed after the sweep had read it", async () => {
    const id = await leased(start, false);
    const now = start + MINUTE_MS;
    const [seen] = await expiredLeases(db, now, 10);
    await markSending(db, id, [id], { now, leaseExpiresAt: now + MINUTE_MS });
    await settleExpired(
      db,
      [{ id, generation: 1, settlement: { status: "queued", attempts: 0, dueAt: now }, detail }],
      now,
    );
    expect(seen).toMatchObject({ id, status: "claimed" });
    expect(await emailRow(db, id)).toMatchObject({ status: "sending", attempts: 1 });
  });

  it("once, when two sweeps run at the same moment", async () => {
    const id = await leased(start, true);
    await Promise.all([sweep(start + MINUTE_MS), sweep(start + MINUTE_MS)]);
    const unknowns = await db
      .prepare("SELECT COUNT(*) AS n FROM email_events WHERE email_id = ? AND type = 'unknown'")
      .bind(id)
      .first<number>("n");
    expect(unknowns).toBe(1);
  });
});

it("the sweeper dead-letters an email again if its message was lost, also if a step fails", async () => {
  const id = await queueEmail(db, start);
  await claim(db, {
    notifications: [notification(id)],
    token: id,
    now: start,
    leaseExpiresAt: start + MINUTE_MS,
    open: ["smtp"],
  });
  await markSending(db, id, [id], { now: start, leaseExpiresAt: start + MINUTE_MS });
  await record(db, id, {
    id,
    settlement: { status: "dead", attempts: 1, reason: "permanent" },
    now: start,
  });
  await queueEmail(db, start);

  expect(await sweep(start + MINUTE_MS - 1)).toMatchObject({ deadLettered: 0 });
  await expect(sweep(start + MINUTE_MS, { queue: fakeQueue(true).queue })).rejects.toThrow(
    "sweep: the queue is down",
  );
  expect(deadLetters.sent).toEqual([{ body: { v: 1, type: "bury", emailId: id, generation: 1 } }]);
});

it("the sweeper sends dead emails to their queue less and less often, so that none of many starves", async () => {
  await db
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
       INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject,
         text, due_at, ring_after, created_at, updated_at)
       SELECT 'dead-' || i, 'admin', 0, 'dead', 'a@luna.example', 'b@example.com', 's', 't', i, i,
         0, 0 FROM n`,
    )
    .run();
  expect(await sweep(start)).toMatchObject({ deadLettered: 1_000 });
  expect(await sweep(start + 1)).toMatchObject({ deadLettered: 500 });
  expect(await sweep(start + 2)).toMatchObject({ deadLettered: 0 });
});

it("the sweeper leaves the time of an email alone that moved on after it was read", async () => {
  const id = await queueEmail(db, start);
  const now = start + MINUTE_MS;
  const read = await emailsToNotify(db, now, 10);
  await claim(db, {
    notifications: [notification(id)],
    token: id,
    now,
    leaseExpiresAt: now + MINUTE_MS,
    open: ["smtp"],
  });
  await markSending(db, id, [id], { now, leaseExpiresAt: now + MINUTE_MS });
  const later = now + 3_600_000;
  await record(db, id, { id, settlement: { status: "queued", attempts: 1, dueAt: later }, now });
  await recordNotifications(db, read, now);
  expect(await emailRow(db, id)).toMatchObject({ rings: 0, ring_after: later + MINUTE_MS });
});

describe("an email that waits only for an open circuit breaker", () => {
  const postponed = async (): Promise<string> => {
    const id = await queueEmail(db, start);
    const what = { notifications: [notification(id)], until: start + 1, detail: "{}", now: start };
    await postpone(db, what);
    return id;
  };

  it("is dead after EMAIL_MAX_WAIT_HOURS, with a dead letter, and not before", async () => {
    const id = await postponed();
    await sweep(start + waitLimits.maxWaitMs - 1);
    expect(await emailRow(db, id)).toMatchObject({ status: "queued" });
    await sweep(start + waitLimits.maxWaitMs);
    expect(await emailRow(db, id)).toMatchObject({ status: "dead", dead_reason: "server" });
    await sweep(start + waitLimits.maxWaitMs + MINUTE_MS);
    expect(deadLetters.sent).toMatchObject([{ body: { emailId: id } }]);
  });

  it("waits for as long as the breaker is open where that limit is 0", async () => {
    const id = await postponed();
    await sweep(start + 2 * waitLimits.maxWaitMs, { waitLimits: { maxWaitMs: 0 } });
    expect(await emailRow(db, id)).toMatchObject({ status: "queued" });
  });

  it("is not ended by this while its recipient's server asks for time", async () => {
    const id = await postponed();
    await db.prepare("UPDATE emails SET wait_class = 'needs-time' WHERE id = ?").bind(id).run();
    await sweep(start + waitLimits.maxWaitMs);
    expect(await emailRow(db, id)).toMatchObject({ status: "queued" });
  });
});

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { Delivery } from "../../shared/email/delivery/ports.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import { replay } from "../../shared/email/sql/dead-letters.ts";
import { runSweep } from "../../shared/email/sweep.ts";
import type { OutgoingEmail } from "../../shared/email/transports/transport.ts";
import {
  accepted,
  notification,
  eventTypes,
  fakeQueue,
  fakeTransport,
  emailRow,
  queueEmail,
  record,
  refused,
  refusedForGood,
  waitLimits,
} from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";

const db = env.DB;
const policy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
const start = 1_700_000_000_000;

let now = start;
let sent: OutgoingEmail[] = [];
let answer: (email: OutgoingEmail) => Outcome | Promise<Outcome> = () => accepted;
let notifications = fakeQueue();
let deadLetters = fakeQueue();

beforeEach(async () => {
  now = start;
  sent = [];
  answer = () => accepted;
  notifications = fakeQueue();
  deadLetters = fakeQueue();
  await db.batch(
    ["emails", "email_events", "dead_letters"].map((table) => db.prepare(`DELETE FROM ${table}`)),
  );
});

const delivery = (changes: Partial<Delivery> = {}): Delivery => ({
  db,
  queue: notifications.queue,
  deadLetterQueue: deadLetters.queue,
  transports: [
    fakeTransport(async (email) => {
      sent.push(email);
      return await answer(email);
    }),
  ],
  policy,
  waitLimits,
  clock: () => now,
  random: () => 0.5,
  sleep: async () => undefined,
  unsubscribe: { publicUrl: "https://luna.test", secret: "s".repeat(32) },
  emailIdHeader: "X-Luna-Email",
  ...changes,
});

const claimNow = async (token: string, ids: string[]) =>
  await claim(db, {
    notifications: ids.map((id) => notification(id)),
    token,
    now,
    leaseExpiresAt: now + LEASE_MS,
    open: ["smtp"],
  });
const sweep = () =>
  runSweep(
    {
      db,
      queue: notifications.queue,
      deadLetterQueue: deadLetters.queue,
      policy,
      waitLimits,
      everything: false,
    },
    now,
    () => 0.5,
  );

const suppress = (address: string, scope: "all" | "non-transactional") =>
  db
    .prepare(
      "INSERT INTO suppressions (address, scope, reason, created_at) VALUES (?1, ?2, 'manual', 0)",
    )
    .bind(address, scope)
    .run();

it("a scheduled email has the time for which it was scheduled as its date, at each try", async () => {
  const sendAt = start + 3_600_000;
  const id = await queueEmail(db, now, { sendAt });
  answer = () => (sent.length === 1 ? refused : accepted);
  for (now = sendAt + 5_000; sent.length < 2; now += 60_000) await deliver(`token-${now}`, [id]);
  expect(sent.map(({ date }) => date.getTime())).toEqual([sendAt, sendAt]);
});

it("an email of the release before has the time of its acceptance as its date", async () => {
  const id = await queueEmail(db, now);
  await db.prepare("UPDATE emails SET send_at = NULL WHERE id = ?1").bind(id).run();
  now += 5_000;
  await deliver("token", [id]);
  expect(sent.map(({ date }) => date.getTime())).toEqual([start]);
});

describe("an email whose tenant has ended", () => {
  const end = (tenant: string, until: number) =>
    db.prepare("INSERT INTO ended_tenants VALUES (?1, ?2, ?2, NULL)").bind(tenant, until).run();

  it("is never handed over: it is cancelled at the claim, also when it was scheduled", async () => {
    await end("user:gone", Number.MAX_SAFE_INTEGER);
    const ids = [
      await queueEmail(db, now, { tenant: "user:gone" }),
      await queueEmail(db, now, { tenant: "user:gone" }),
    ];
    await db.prepare("UPDATE emails SET status = 'scheduled' WHERE id = ?1").bind(ids[1]).run();
    const other = await queueEmail(db, now, { tenant: "user:stays" });
    await deliver("token", [...ids, other]);
    for (const id of ids) {
      expect(await emailRow(db, id)).toMatchObject({ status: "cancelled" });
      expect((await eventTypes(db, id)).at(-1)).toBe("cancelled");
    }
    expect(await emailRow(db, other)).toMatchObject({ status: "sent" });
    expect(sent.map(({ id }) => id)).toEqual([other]);
  });

  it("goes on if it was queued after a key of the tenant was revoked", async () => {
    await end("user:revoked", now - 1);
    const id = await queueEmail(db, now, { tenant: "user:revoked" });
    await deliver("token", [id]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("is unknown, and not called cancelled, if its outcome is open", async () => {
    await end("user:pinned", Number.MAX_SAFE_INTEGER);
    const id = await queueEmail(db, now, { tenant: "user:pinned" });
    await db
      .prepare(
        `UPDATE emails SET status = 'pinned', transport = 'smtp', pinned_until = ?2
         WHERE id = ?1`,
      )
      .bind(id, now + 1_000)
      .run();
    await deliver("token", [id]);
    expect(await emailRow(db, id)).toMatchObject({ status: "unknown" });
    expect(sent).toEqual([]);
  });
});

describe("an email whose recipient was suppressed since it was accepted", () => {
  it("is never handed over: it is suppressed with its reason; transactional emails go on", async () => {
    const id = await queueEmail(db, start, { to: "Eve@Example.com" });
    const bulk = await queueEmail(db, start);
    await db.prepare("UPDATE emails SET category = 'marketing' WHERE id = ?").bind(bulk).run();
    const transactional = await queueEmail(db, start);
    await suppress("eve@example.com", "all");
    await suppress("ada@example.com", "non-transactional");
    const { claimed } = await claimNow("token", [id, bulk, transactional]);
    expect(claimed.map((email) => email.id)).toEqual([transactional]);
    for (const suppressed of [id, bulk]) {
      expect(await emailRow(db, suppressed)).toMatchObject({
        status: "suppressed",
        attempts: 0,
        lease_token: null,
      });
      expect(await eventTypes(db, suppressed)).toEqual(["queued", "suppressed"]);
    }
    now += LEASE_MS;
    expect(await sweep()).toMatchObject({ deadLettered: 0 });
    await db.prepare("DELETE FROM suppressions").run();
  });
});

async function deliver(token: string, ids: string[]): Promise<void> {
  const { claimed } = await claimNow(token, ids);
  await deliverClaimed(delivery(), token, claimed);
}

describe("twenty concurrent deliveries of the same notifications", () => {
  it("send each email once", async () => {
    const ids = await Promise.all([1, 2, 3].map(() => queueEmail(db, now)));
    await Promise.all(Array.from({ length: 20 }, (_, n) => deliver(`token-${n}`, ids)));
    expect(sent.map((email) => email.id).toSorted()).toEqual(ids.toSorted());
    for (const id of ids)
      expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "sent"]);
  });
});

describe("a batch", () => {
  it("has at most five emails in hand-over: the others are only claimed", async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => queueEmail(db, now)));
    const inHandOver: number[] = [];
    answer = async () => {
      inHandOver.push(
        (await db
          .prepare("SELECT COUNT(*) AS n FROM emails WHERE status = 'sending'")
          .first<number>("n")) ?? -1,
      );
      return accepted;
    };
    await deliver("token", ids);
    expect(sent).toHaveLength(12);
    expect(Math.max(...inHandOver)).toBe(5);
  });

  it("records each email's own outcome, notifies of retries and dead-letters the dead", async () => {
    const [ok, later, never] = await Promise.all([
      queueEmail(db, now),
      queueEmail(db, now),
      queueEmail(db, now),
    ]);
    answer = ({ id }) => (id === ok ? accepted : id === later ? refused : refusedForGood);
    await deliver("token", [ok, later, never]);

    expect((await emailRow(db, ok)).status).toBe("sent");
    expect(await emailRow(db, later)).toMatchObject({
      status: "queued",
      due_at: now + 1_000,
      attempts: 1,
      lease_token: null,
    });
    expect((await emailRow(db, never)).status).toBe("dead");
    expect(notifications.sent).toEqual([{ body: notification(later), delaySeconds: 1 }]);
    expect(deadLetters.sent).toEqual([
      { body: { v: 1, type: "bury", emailId: never, generation: 1 } },
    ]);
  });

  it("loses nothing when neither queue can be reached: the next sweeps notify and dead-letter", async () => {
    const [later, never] = await Promise.all([queueEmail(db, now), queueEmail(db, now)]);
    answer = ({ id }) => (id === later ? refused : refusedForGood);
    const down = fakeQueue(true).queue;
    const { claimed } = await claimNow("token", [later, never]);
    await deliverClaimed(delivery({ queue: down, deadLetterQueue: down }), "token", claimed);

    now += 1_000;
    expect(await sweep()).toMatchObject({ notified: 1 });
    now += 60_000;
    expect(await sweep()).toMatchObject({ deadLettered: 1 });
  });
});

describe("a notification", () => {
  it("that comes long before its email is due claims nothing and comes again when it is due", async () => {
    const id = await queueEmail(db, now + 61_000);
    expect(await claimNow("token", [id])).toEqual({
      claimed: [],
      early: [{ id, generation: 1, dueAt: now + 61_000 }],
      pace: [],
    });
  });

  it("within a minute of that is dropped: there is another, or the sweeper's", async () => {
    const id = await queueEmail(db, now + 60_000);
    expect(await claimNow("token", [id])).toEqual({ claimed: [], early: [], pace: [] });
    now += 120_000;
    expect(await sweep()).toMatchObject({ notified: 1 });
  });

  it("of another generation, or for no email at all, does nothing", async () => {
    const id = await queueEmail(db, now);
    const bells = [notification(id, 2), notification("no-such-email")];
    expect(
      await claim(db, {
        notifications: bells,
        token: "token",
        now,
        leaseExpiresAt: now + LEASE_MS,
        open: ["smtp"],
      }),
    ).toEqual({
      claimed: [],
      early: [],
      pace: [],
    });
  });
});

describe("when the reply of D1 is lost", () => {
  it("recording and marking again counts and sends nothing twice", async () => {
    const ids = await Promise.all([queueEmail(db, now), queueEmail(db, now)]);
    const { claimed } = await claimNow("token", ids);
    await deliverClaimed(delivery({ db: losingReplies(db, 2) }), "token", claimed);

    expect(sent).toHaveLength(2);
    for (const id of ids) {
      expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 1 });
      expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "sent"]);
    }
  });
});

describe("when D1 fails from the hand-over on", () => {
  it("the record is retried for 20 s; then the lease ends and the email stays unknown", async () => {
    const id = await queueEmail(db, now);
    let isDown = false;
    answer = () => {
      isDown = true;
      return accepted;
    };
    const failing = {
      prepare: db.prepare.bind(db),
      batch: (statements: D1PreparedStatement[]) =>
        isDown
          ? Promise.reject(new Error("D1_ERROR: Network connection lost."))
          : db.batch(statements),
    } as unknown as D1Database;
    const pauses: number[] = [];
    const sleep = async (ms: number): Promise<void> => {
      pauses.push(ms);
      now += ms;
    };
    const { claimed } = await claimNow("token", [id]);
    await deliverClaimed(delivery({ db: failing, sleep }), "token", claimed);
    expect(pauses).toEqual([100, 300, 1_000, 3_000, 5_000, 10_000]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sending", attempts: 1 });
    expect(await sweep(), "while the lease lasts").toMatchObject({ unknown: 0 });

    now = start + LEASE_MS;
    expect(await sweep()).toMatchObject({ unknown: 1, notified: 0 });
    expect((await emailRow(db, id)).status).toBe("unknown");
    await deliver("another", [id]);
    expect(sent).toHaveLength(1);
  });
});

it("a transport that throws makes its email unknown and affects no other", async () => {
  const [bad, good] = await Promise.all([queueEmail(db, now), queueEmail(db, now)]);
  answer = ({ id }) => {
    if (id === bad) throw new Error("a defect");
    return accepted;
  };
  await deliver("token", [bad, good]);
  expect((await emailRow(db, bad)).status).toBe("unknown");
  expect((await emailRow(db, good)).status).toBe("sent");
});

describe("a lease", () => {
  it("that expired before the hand-over gives the email back: the late claimer sends none", async () => {
    const id = await queueEmail(db, now);
    const { claimed } = await claimNow("slow", [id]);
    now += LEASE_MS;
    expect(await sweep()).toMatchObject({ released: 1, notified: 1 });
    await deliverClaimed(delivery(), "slow", claimed);
    expect(sent).toEqual([]);

    await deliver("quick", [id]);
    expect(sent).toHaveLength(1);
  });

  it("that expired during the hand-over makes the email unknown until its late outcome", async () => {
    const id = await queueEmail(db, now);
    answer = async () => {
      now += LEASE_MS;
      await sweep();
      expect((await emailRow(db, id)).status).toBe("unknown");
      return accepted;
    };
    await deliver("slow", [id]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 1 });
    expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "unknown", "sent"]);
  });

  it("with less left than a hand-over may take begins none, and burns no attempt", async () => {
    const id = await queueEmail(db, now);
    const { claimed } = await claimNow("token", [id]);
    // D1 answers so late that 31 of the lease's 60 s are gone.
    let time = now;
    const slowly: Pick<D1Database, "prepare" | "batch"> = {
      prepare: db.prepare.bind(db),
      batch: async (statements) => {
        time = now + 31_000;
        return await db.batch(statements);
      },
    };
    await deliverClaimed(
      delivery({ clock: () => time, db: slowly as D1Database }),
      "token",
      claimed,
    );
    expect(sent).toEqual([]);
    expect(await emailRow(db, id)).toMatchObject({ status: "queued", attempts: 0 });
  });

  it("of an earlier generation settles nothing any more", async () => {
    const id = await queueEmail(db, now);
    answer = () => refusedForGood;
    await deliver("first", [id]);
    await replay(db, [id], 0, now);
    await record(db, "first", { id, settlement: { status: "sent", attempts: 1 }, now });
    expect(await emailRow(db, id)).toMatchObject({ status: "queued", generation: 2, attempts: 0 });
  });
});

describe("an email that is not purely transactional", () => {
  it("carries a link to unsubscribe, the same for each attempt; another carries none", async () => {
    const bulk = await queueEmail(db, start);
    await db.prepare("UPDATE emails SET category = 'notification' WHERE id = ?").bind(bulk).run();
    const other = await queueEmail(db, start);
    await deliver("token", [bulk, other]);
    const byId = sent.toSorted((one, two) => (one.id === bulk ? -1 : two.id === bulk ? 1 : 0));
    expect(byId.map(({ id, unsubscribeUrl }) => [id, unsubscribeUrl])).toEqual([
      [
        bulk,
        expect.stringMatching(new RegExp(`^https://luna\\.test/unsubscribe/${bulk}\\.[\\w-]{43}$`)),
      ],
      [other, null],
    ]);
  });

  it("shows its link where it has the placeholder: in HTML, in text and in text made of HTML", async () => {
    const html = '<a href="{{unsubscribeUrl}}">Unsubscribe</a>';
    const news = { category: "marketing" as const, html };
    await deliver("token", [
      await queueEmail(db, start, { ...news, text: "{{ unsubscribeUrl }}" }),
      await queueEmail(db, start, { ...news, text: undefined }),
    ]);
    expect(sent).toHaveLength(2);
    for (const { unsubscribeUrl: url, html: shown, text } of sent) {
      expect(shown).toBe(`<a href="${url}">Unsubscribe</a>`);
      expect(text).toContain(url);
    }
  });

  it("waits while the links are not configured, uses no attempt and records why", async () => {
    const bulk = await queueEmail(db, start);
    await db.prepare("UPDATE emails SET category = 'notification' WHERE id = ?").bind(bulk).run();
    const { claimed } = await claimNow("token", [bulk]);
    await deliverClaimed(delivery({ unsubscribe: null }), "token", claimed);
    expect(sent).toEqual([]);
    expect(await emailRow(db, bulk)).toMatchObject({
      status: "queued",
      attempts: 0,
      due_at: now + 60_000,
    });
    expect(
      await db.prepare("SELECT last_error FROM emails WHERE id = ?").bind(bulk).first("last_error"),
    ).toContain("UNSUBSCRIBE_SECRET");
  });
});

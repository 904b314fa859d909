import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { Delivery } from "../../shared/email/delivery/ports.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { reserveBacklog } from "../../shared/email/sql/backlogs.ts";
import { cancelQueued } from "../../shared/email/sql/cancel.ts";
import { claim, postpone } from "../../shared/email/sql/claim.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import { runSweep } from "../../shared/email/sweep.ts";
import type { GuardedTransport } from "../../shared/email/transports/transport.ts";
import {
  accepted,
  detail,
  notification,
  eventTypes,
  fakeQueue,
  fakeTransport,
  emailRow,
  queueEmail,
  refused,
  refusedForGood,
  waitLimits,
} from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";
import * as previous from "../support/previous-release.ts";

/** Emails that several transports could take, on a real D1. */

const db = env.DB;
const policy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
const unclear: Outcome = { kind: "unknown", detail };
const HOUR_MS = 3_600_000;
const start = 1_700_000_000_000;

let now = start;
let handOvers: [TransportName, string][] = [];
let slept: number[] = [];
let notifications = fakeQueue();
let token = 0;

beforeEach(async () => {
  now = start;
  handOvers = [];
  slept = [];
  notifications = fakeQueue();
  await db.batch(
    ["emails", "email_events", "dead_letters", "transport_pace", "email_backlogs"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

/** A transport with a scripted answer for each hand-over; the last answer holds. */
function transport(
  name: TransportName,
  answers: Outcome[],
  changes: Partial<GuardedTransport> = {},
): GuardedTransport {
  let n = 0;
  const send = async ({ id }: { id: string }): Promise<Outcome> => {
    handOvers.push([name, id]);
    return answers[Math.min(n++, answers.length - 1)] ?? accepted;
  };
  return fakeTransport(send, { name, ...changes });
}

async function deliver(
  ids: string[],
  transports: GuardedTransport[],
  changes: Partial<Delivery> = {},
): Promise<void> {
  const name = `token-${(token += 1)}`;
  const { claimed } = await claim(db, {
    notifications: ids.map((id) => notification(id)),
    token: name,
    now,
    leaseExpiresAt: now + LEASE_MS,
    open: transports.map(({ name: to }) => to),
  });
  const delivery = {
    db,
    queue: notifications.queue,
    deadLetterQueue: fakeQueue().queue,
    transports,
    policy,
    waitLimits,
    unsubscribe: null,
    emailIdHeader: "X-Luna-Email",
  };
  const ports = {
    clock: () => now,
    random: () => 0.5,
    sleep: async (ms: number) => void slept.push(ms),
  };
  await deliverClaimed({ ...delivery, ...ports, ...changes }, name, claimed);
}

const stored = (id: string) =>
  db
    .prepare("SELECT transport, pinned_until, provider_id, last_error FROM emails WHERE id = ?")
    .bind(id)
    .first();
const reject = { admission: () => ({ do: "reject" as const, retryAfterMs: 30_000 }) };

describe("an email that its transport refuses", () => {
  it.each([
    ["for now", refused],
    ["for good", refusedForGood],
  ])("%s goes on to the next in the same attempt, and the timeline shows it", async (_, answer) => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [answer]), transport("smtp", [accepted])]);
    expect(handOvers).toEqual([
      ["resend", id],
      ["smtp", id],
    ]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 1 });
    expect(await stored(id)).toMatchObject({ transport: "smtp" });
    expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "sending", "sent"]);
    const { results } = await db
      .prepare(
        "SELECT detail FROM email_events WHERE email_id = ? AND type = 'sending' ORDER BY id",
      )
      .bind(id)
      .all<{ detail: string }>();
    expect(results.map((event) => JSON.parse(event.detail))).toEqual([
      { transport: "resend" },
      { transport: "smtp", failedOver: detail },
    ]);
  });

  it("waits for the next one while its breaker is open, also after a refusal for good", async () => {
    const id = await queueEmail(db, now);
    await deliver(
      [id],
      [transport("resend", [refusedForGood]), transport("smtp", [accepted], reject)],
    );
    const waits = { status: "queued", attempts: 0, wait_class: "server", waiting_since: now };
    expect(await emailRow(db, id)).toMatchObject(waits);
  });

  it("is tried again later when all refuse it, at most 1 + 3 times in all", async () => {
    const id = await queueEmail(db, now);
    const both = [transport("resend", [refused]), transport("smtp", [refused])];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      await deliver([id], both);
      now += HOUR_MS;
    }
    expect(handOvers).toHaveLength(8);
    expect(await emailRow(db, id)).toMatchObject({ status: "dead", attempts: 4 });
  });

  it("does not count, or go out, twice when D1 loses the replies", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [refused]), transport("smtp", [accepted])], {
      db: losingReplies(db, 3),
    });
    expect(handOvers).toHaveLength(2);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 1 });
    expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "sending", "sent"]);
  });

  it("keeps its refusal if the sweeper took it back before, and goes to no other transport", async () => {
    const id = await queueEmail(db, now);
    const slow = fakeTransport(
      async () => {
        now += LEASE_MS;
        const queues = { queue: notifications.queue, deadLetterQueue: fakeQueue().queue };
        await runSweep({ db, ...queues, policy, waitLimits, everything: false }, now, () => 0.5);
        return refused;
      },
      { name: "smtp" },
    );
    await deliver([id], [slow, transport("resend", [accepted])]);
    expect(handOvers).toEqual([]);
    expect(await emailRow(db, id)).toMatchObject({ status: "queued", attempts: 0 });
    expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "unknown", "queued"]);
  });

  it("goes to the next at once while the first one's breaker is open", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [accepted], reject), transport("smtp", [accepted])]);
    expect(handOvers).toEqual([["smtp", id]]);
  });
});

it("an email without a reservation at the next transport does not return to the first", async () => {
  await db
    .prepare(
      `INSERT INTO transport_pace (transport, free_at, granted_to)
       VALUES ('resend', ?1, 'another')`,
    )
    .bind(now + 6_000)
    .run();
  const ids = await Promise.all([1, 2, 3].map(() => queueEmail(db, now)));
  await deliver(ids, [
    transport("smtp", [refused]),
    transport("resend", [accepted], { everyMs: 200 }),
  ]);
  expect(handOvers.map(([name]) => name)).toEqual(["smtp", "smtp", "smtp"]);
});

describe("an email whose outcome is open", () => {
  it("never goes to another transport", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("smtp", [unclear]), transport("resend", [accepted])]);
    expect(handOvers).toEqual([["smtp", id]]);
    expect((await emailRow(db, id)).status).toBe("unknown");
  });

  it("stays with a provider that recognizes its key, which settles it", async () => {
    const id = await queueEmail(db, now);
    const resend = transport("resend", [
      unclear,
      unclear,
      { kind: "accepted", detail: { ...detail, providerId: "re-1" } },
    ]);
    const both = [resend, transport("smtp", [accepted])];
    await deliver([id], both);
    expect(await emailRow(db, id)).toMatchObject({
      status: "pinned",
      attempts: 1,
      due_at: now + 1_000,
    });
    expect(await stored(id)).toMatchObject({
      transport: "resend",
      pinned_until: now + 23 * HOUR_MS,
    });
    for (const waitMs of [1_000, 2_000]) {
      now += waitMs;
      await deliver([id], both);
    }
    expect(handOvers.map(([name]) => name)).toEqual(["resend", "resend", "resend"]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 3 });
    expect(await stored(id)).toMatchObject({ pinned_until: null, provider_id: "re-1" });
  });

  it("is pinned from the time of its hand-over, however long the answer took", async () => {
    const id = await queueEmail(db, now);
    const slow = fakeTransport(
      async () => {
        now += 20_000;
        return unclear;
      },
      { name: "resend" },
    );
    await deliver([id], [slow]);
    expect(await stored(id)).toMatchObject({ pinned_until: start + 23 * HOUR_MS });
  });

  it("waits for that provider's breaker, though another transport would take it", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [unclear])]);
    now += 1_000;
    await deliver([id], [transport("resend", [accepted], reject), transport("smtp", [accepted])]);
    expect(handOvers).toEqual([["resend", id]]);
    expect(await emailRow(db, id)).toMatchObject({
      status: "pinned",
      attempts: 1,
      due_at: now + 30_000,
    });
    expect((await stored(id))?.["pinned_until"]).not.toBeNull();
  });

  it("is unknown once the provider has forgotten the key, without another hand-over", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [unclear])]);
    now += 23 * HOUR_MS;
    await deliver([id], [transport("resend", [accepted])]);
    expect(handOvers).toHaveLength(1);
    expect(await emailRow(db, id)).toMatchObject({ status: "unknown", attempts: 1 });
  });

  it.each(["sent", "queued", "dead"] as const)(
    "can be settled by an operator who does not wait for the provider: %s",
    async (status) => {
      const id = await queueEmail(db, now);
      await deliver([id], [transport("resend", [unclear])]);
      expect(await resolveUnknown(db, id, status, now)).toMatchObject({
        status,
        generation: status === "queued" ? 2 : 1,
      });
      expect(await stored(id)).toMatchObject({
        pinned_until: null,
        transport: status === "queued" ? null : "resend",
      });
      expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "pinned", status]);
    },
  );

  it("cannot be cancelled as if it had not left", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [unclear])]);
    expect(await cancelQueued(db, id, null, now)).toEqual({ cancelled: false, status: "pinned" });
  });

  it("is not called suppressed when its recipient was suppressed since", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [unclear])]);
    await db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES ('ada@example.com', 'all', 'manual', 0)`,
      )
      .run();
    now += 1_000;
    await deliver([id], [transport("resend", [accepted])]);
    expect(handOvers).toHaveLength(1);
    expect((await emailRow(db, id)).status).toBe("unknown");
    await db.prepare("DELETE FROM suppressions").run();
  });

  it("is pinned by the sweeper too, when the consumer that handed it over died", async () => {
    const id = await queueEmail(db, now);
    const dying = fakeTransport(
      async () => {
        now += LEASE_MS;
        return unclear;
      },
      { name: "resend" },
    );
    const dead = {
      db: new Proxy(db, {
        get: (target, name) =>
          name === "batch" && now > start
            ? () => Promise.reject(new Error("dead"))
            : Reflect.get(target, name).bind(target),
      }),
    };
    await deliver([id], [dying], dead);
    const queues = { queue: notifications.queue, deadLetterQueue: fakeQueue().queue };
    expect(
      await runSweep({ db, ...queues, policy, waitLimits, everything: false }, now, () => 0.5),
    ).toMatchObject({ released: 1, unknown: 0 });
    expect(await stored(id)).toMatchObject({
      transport: "resend",
      pinned_until: start + 23 * HOUR_MS,
    });
  });
});

describe("while no transport takes emails", () => {
  it("a claimed batch is put back in one go, with one event each and no attempt", async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => queueEmail(db, now)));
    let batches = 0;
    const counting = new Proxy(db, {
      get: (target, name) => {
        if (name === "batch") batches += 1;
        return Reflect.get(target, name).bind(target);
      },
    });
    await deliver(ids, [transport("smtp", [accepted], reject)], { db: counting });
    expect(batches).toBe(1);
    for (const id of ids) {
      expect(await emailRow(db, id)).toMatchObject({
        status: "queued",
        attempts: 0,
        due_at: now + 30_000,
        lease_token: null,
      });
      expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "queued"]);
    }
    expect(notifications.sent.map(({ delaySeconds }) => delaySeconds)).toEqual(ids.map(() => 30));
  });
});

describe("a transport with a rate", () => {
  it("gets its emails one after another, at that rate", async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => queueEmail(db, now)));
    await deliver(ids, [transport("resend", [accepted], { everyMs: 200 })]);
    expect(handOvers).toHaveLength(5);
    expect(slept.toSorted((one, two) => one - two)).toEqual([200, 400, 600, 800]);
  });

  it("is the fleet's: what gets no reservation comes back one after another", async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => queueEmail(db, now)));
    await deliver(ids.slice(0, 30), [transport("resend", [accepted], { everyMs: 200 })]);
    expect(handOvers).toHaveLength(10);
    await deliver(ids.slice(30), [
      transport("resend", [accepted], { everyMs: 200 }),
      transport("smtp", [accepted]),
    ]);
    expect(handOvers).toHaveLength(10);
    const { results } = await db
      .prepare(
        "SELECT due_at - ?1 AS waits, attempts FROM emails WHERE status = 'queued' ORDER BY due_at",
      )
      .bind(now)
      .all();
    expect(results).toEqual(
      Array.from({ length: 30 }, (_, n) => ({ waits: 2_000 + 200 * n, attempts: 0 })),
    );
  });

  it("reserves no second time when D1 loses the reply of the first", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [accepted], { everyMs: 200 })], {
      db: losingReplies(db, 2),
    });
    expect(await db.prepare("SELECT free_at FROM transport_pace").first("free_at")).toBe(now + 200);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 1 });
  });
});

it("connections are closed when a group does not need them, and at the end of a batch", async () => {
  let closed = 0;
  const closing = { close: () => void (closed += 1) };
  await deliver([await queueEmail(db, now)], [transport("smtp", [accepted], closing)]);
  await deliver([await queueEmail(db, now)], [transport("smtp", [accepted], closing)], {
    db: losingReplies(db, 100),
  });
  expect(closed).toBe(3);
});

describe("a rate", () => {
  const rated = (answers: Outcome[] = [accepted]) => transport("resend", answers, { everyMs: 200 });

  it("never ends an email that another transport refused for good: it may still take it", async () => {
    await db
      .prepare(
        `INSERT INTO transport_pace (transport, free_at, granted_to)
       VALUES ('resend', ?1, 'another')`,
      )
      .bind(now + 6_000)
      .run();
    const id = await queueEmail(db, now);
    await deliver([id], [transport("smtp", [refusedForGood]), rated()]);
    const waits = { status: "queued", attempts: 0, wait_class: "rate", waits: 1 };
    expect(await emailRow(db, id)).toMatchObject(waits);
    expect(handOvers).toEqual([["smtp", id]]);
  });

  it("staggers a backlog: each of a thousand emails is claimed three times at most", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 1_000; n += 1) ids.push(await queueEmail(db, now));
    const dueNow = async (): Promise<string[]> =>
      (
        await db
          .prepare("SELECT id FROM emails WHERE status = 'queued' AND due_at <= ?")
          .bind(now)
          .all<{ id: string }>()
      ).results.map(({ id }) => id);
    for (
      let seconds = 0;
      seconds < 600 &&
      (await db.prepare("SELECT 1 FROM emails WHERE status <> 'sent'").first()) !== null;
      seconds += 1
    ) {
      const due = await dueNow();
      for (let at = 0; at < due.length; at += 100)
        await deliver(due.slice(at, at + 100), [rated()]);
      now += 1_000;
    }
    expect(handOvers).toHaveLength(1_000);
    expect(now - start).toBeLessThan(300_000);
    const claims = await db
      .prepare("SELECT COUNT(*) AS n FROM email_events WHERE type = 'claimed'")
      .first<number>("n");
    expect(claims).toBeLessThan(3_000);
  });

  it("counts an email's own place among those of its transport", async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => queueEmail(db, now)));
    const last = ids.toSorted().at(-1);
    await db
      .prepare(
        `UPDATE emails SET status = 'pinned', transport = 'resend', pinned_until = ?2
         WHERE id = ?1`,
      )
      .bind(last, now + HOUR_MS)
      .run();
    await deliver(ids, [transport("smtp", [accepted]), rated()]);
    expect(handOvers).toHaveLength(5);
    expect(slept).toEqual([]);
  });

  it("is not stopped by a clock that was an hour ahead", async () => {
    now += HOUR_MS;
    await deliver([await queueEmail(db, now)], [rated()]);
    now -= HOUR_MS;
    const id = await queueEmail(db, now);
    await deliver([id], [rated()]);
    expect((await emailRow(db, id)).status).toBe("sent");
  });

  it("does not send a backlog behind a reservation by a clock that is an hour ahead", async () => {
    await db
      .prepare(
        `INSERT INTO transport_pace (transport, free_at, granted_to)
       VALUES ('resend', ?1, 'another')`,
      )
      .bind(now + HOUR_MS)
      .run();
    const crowd = { lane: 0 as const, tenant: "admin", emails: 5 };
    expect(await reserveBacklog(db, { transport: "resend", everyMs: 200 }, [crowd], now)).toEqual([
      { lane: 0, tenant: "admin", fromAt: now, everyMs: 200 },
    ]);
  });

  it("does not save up times that no email reserved", async () => {
    await deliver([await queueEmail(db, now)], [rated()]);
    now += HOUR_MS;
    await deliver(await Promise.all([queueEmail(db, now), queueEmail(db, now)]), [rated()]);
    expect(slept).toEqual([200]);
  });
});

describe("notifications", () => {
  it("of an email that waits for a breaker do not multiply if the queue is late each time", async () => {
    const id = await queueEmail(db, now);
    let inQueue = 1;
    for (let cycle = 0; cycle < 10; cycle += 1) {
      let again = 0;
      for (let n = 0; n < inQueue; n += 1)
        again += (
          await postpone(db, {
            notifications: [notification(id)],
            until: now + 30_000,
            detail: "{}",
            now,
          })
        ).length;
      now += 91_000;
      notifications = fakeQueue();
      await runSweep(
        {
          db,
          queue: notifications.queue,
          deadLetterQueue: fakeQueue().queue,
          policy,
          waitLimits,
          everything: false,
        },
        now,
        () => 0.5,
      );
      inQueue = again + notifications.sent.length;
    }
    expect(inQueue).toBeLessThan(3);
  });
});

describe("the release before this one, beside it or after a rollback,", () => {
  const leaseFrom = (at: number) => ({ token: "previous", now: at, leaseExpiresAt: at + LEASE_MS });

  it("never sends what is pinned", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [unclear])]);
    now += 1_000;
    expect((await previous.claim(db, [notification(id)], leaseFrom(now))).claimed).toEqual([]);
  });

  it("hands an email to SMTP that this provider may not pin", async () => {
    const id = await queueEmail(db, now);
    await deliver([id], [transport("resend", [refused])]);
    now += 1_000;
    const { claimed } = await previous.claim(db, [notification(id)], leaseFrom(now));
    expect(await previous.mark(db, claimed, leaseFrom(now))).toHaveLength(1);
    now += LEASE_MS;
    await runSweep(
      {
        db,
        queue: notifications.queue,
        deadLetterQueue: fakeQueue().queue,
        policy,
        waitLimits,
        everything: false,
      },
      now,
      () => 0.5,
    );
    expect((await emailRow(db, id)).status).toBe("unknown");
  });
});

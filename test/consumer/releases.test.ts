import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, inject, it } from "vitest";
import { readDay } from "../../shared/alerts/sql/digest.ts";
import { readFacts } from "../../shared/alerts/sql/facts.ts";
import { newLeaseToken } from "../../shared/email/delivery/lease.ts";
import type { Settlement } from "../../shared/email/rules/lifecycle.ts";
import { insertEmail, type NewEmail } from "../../shared/email/sql/accept.ts";
import { cancelQueued } from "../../shared/email/sql/cancel.ts";
import { claim, claimedBy, postpone, promoteDue } from "../../shared/email/sql/claim.ts";
import {
  FORMAT,
  NAMING_FORMAT,
  PLAIN_FORMAT,
  RECIPIENTS_FORMAT,
} from "../../shared/email/sql/columns.ts";
import * as letters from "../../shared/email/sql/dead-letters.ts";
import { recordAndMarkSending, type EmailInHandOver } from "../../shared/email/sql/delivery.ts";
import { findEmails } from "../../shared/email/sql/email-search.ts";
import { emailBacklog, findEmail } from "../../shared/email/sql/emails.ts";
import { cancelUnsent } from "../../shared/email/sql/ended-tenants.ts";
import * as expiry from "../../shared/email/sql/expiry.ts";
import { takeFeedback } from "../../shared/email/sql/feedback.ts";
import * as notifications from "../../shared/email/sql/notifications.ts";
import { acceptEach } from "../../shared/email/sql/submissions.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";
import { databaseRuns } from "../support/database-runs.ts";
import { detail, notification } from "../support/emails.ts";
import * as before from "../support/release-before/email-sql.js";

/**
 * A roll-out migrates first and deploys one Worker after the other, and a roll-back keeps the
 * schema: the release before works on the same emails as this one, with the statements that it was
 * released with.
 */

const db = env.DB;
const DAY_MS = 86_400_000;

const thisRelease = {
  insertEmail,
  findEmail,
  emailBacklog,
  claim,
  claimedBy,
  postpone,
  promoteDue,
  recordAndMarkSending,
  cancelQueued,
  cancelUnsent,
  takeFeedback,
  resolveUnknown,
  readFacts,
  readDay,
  ...letters,
  ...expiry,
  ...notifications,
  newId: (now: number) => newUuidV7(now, 0),
  newToken: newLeaseToken,
};
const releases = {
  before: {
    ...before,
    newId: () => crypto.randomUUID(),
    newToken: () => crypto.randomUUID(),
  },
  this: thisRelease,
};
type Release = keyof typeof releases;
const both = Object.keys(releases) as Release[];

beforeEach(async () => {
  await db.batch(
    ["emails", "dead_letters", "idempotency_keys", "suppressions", "webhook_messages"].map(
      (table) => db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

const message = {
  tenant: "user:ada",
  from: "Luna <hello@luna.example>",
  to: "Ada@example.com",
  subject: "Hi",
  html: "<p>Hi</p>",
  text: "Hi",
  attachments: [{ filename: "a.txt", contentType: "text/plain", content: "SGk=" }],
  onUnknown: "hold" as const,
};

/** Emails that either release works on, one step after the other. */
class World {
  now = 1_800_000_000_000;
  readonly emails = new Map<string, NewEmail>();
  readonly handedOver: string[] = [];
  #messages = 0;

  async accept(by: Release, changes: Partial<NewEmail> = {}): Promise<string> {
    const id = releases[by].newId(this.now);
    const email = { ...message, ...changes, id };
    await db.batch(releases[by].insertEmail(db, email, this.now));
    this.emails.set(id, email);
    return id;
  }

  /** @returns the token of the lease, and what it holds */
  async claim(by: Release): Promise<{ token: string; ids: string[] }> {
    const token = releases[by].newToken();
    const rows = await db
      .prepare("SELECT id, generation FROM emails")
      .all<{ id: string; generation: number }>();
    const { claimed } = await releases[by].claim(db, {
      notifications: rows.results.map(({ id, generation }) => notification(id, generation)),
      token,
      now: this.now,
      leaseExpiresAt: this.now + 60_000,
      open: ["smtp", "resend"],
    });
    const ids = claimed.map(({ id }) => id);
    expect((await releases[by].claimedBy(db, token)).map(({ id }) => id).toSorted()).toEqual(
      ids.toSorted(),
    );
    return { token, ids };
  }

  async mark(by: Release, token: string, ids: string[]): Promise<EmailInHandOver[]> {
    const { emails } = await releases[by].recordAndMarkSending(db, {
      token,
      settled: [],
      marks: ids.map((id) => ({ id, transport: "smtp", failover: null })),
      reservations: [],
      now: this.now,
      leaseExpiresAt: this.now + 60_000,
    });
    for (const email of emails) {
      const { id, to, subject, html, text, attachments } = email;
      const accepted = this.emails.get(id);
      expect({ to, subject, html, text }).toEqual({
        to: accepted?.to,
        subject: accepted?.subject,
        html: accepted?.html ?? null,
        text: accepted?.text ?? null,
      });
      expect(attachments).toBe(
        accepted?.attachments === undefined ? null : JSON.stringify(accepted.attachments),
      );
      this.handedOver.push(id);
    }
    return emails;
  }

  async settle(by: Release, token: string, emails: EmailInHandOver[], to: Ending): Promise<void> {
    await releases[by].recordAndMarkSending(db, {
      token,
      settled: emails.map(({ id, generation, attempts }) => ({
        id,
        generation,
        settlement: this.#settlement(to, attempts),
        detail: { ...detail, providerId: `p-${id}` },
      })),
      marks: [],
      reservations: [],
      now: this.now,
      leaseExpiresAt: this.now,
    });
  }

  #settlement(to: Ending, attempts: number): Settlement {
    switch (to) {
      case "sent":
      case "unknown":
        return { status: to, attempts };
      case "queued":
        return { status: to, attempts, dueAt: this.now + 1_000 };
      case "pinned":
        return { status: to, attempts, dueAt: this.now + 1_000, pinnedUntil: this.now + 5_000 };
      case "dead":
        return { status: to, attempts, reason: "exhausted" };
    }
  }

  async deliver(by: Release, to: Ending): Promise<void> {
    const { token, ids } = await this.claim(by);
    await this.settle(by, token, await this.mark(by, token, ids), to);
  }

  async sweep(by: Release): Promise<void> {
    const at = releases[by];
    await at.promoteDue(db, this.now, 1_000);
    const expired = await at.expiredLeases(db, this.now, 1_000);
    const ended =
      (to: Ending) => (email: { id: string; generation: number; attempts: number }) => ({
        id: email.id,
        generation: email.generation,
        settlement: this.#settlement(to, email.attempts),
        detail,
      });
    await at.settleExpired(
      db,
      expired.map((email) => ended(email.status === "claimed" ? "queued" : "unknown")(email)),
      this.now,
    );
    const pins = await at.forgottenPins(db, this.now, 1_000);
    await at.settleForgotten(db, pins.map(ended("unknown")), this.now);
    for (const find of [at.emailsToNotify, at.dueEmails, at.missingDeadLetters])
      await at.recordNotifications(db, await find(db, this.now, 1_000), this.now);
    await at.notifySoon(db, [...this.emails.keys()], this.now);
  }

  async bury(by: Release): Promise<void> {
    const dead = await releases[by].missingDeadLetters(db, this.now + DAY_MS, 1_000);
    await releases[by].recordDeadLetters(db, dead, 7, this.now);
  }

  async report(by: Release, id: string, feedback: "delivered" | "bounced"): Promise<void> {
    this.#messages += 1;
    await releases[by].takeFeedback(
      db,
      {
        provider: "smtp",
        messageId: `m-${this.#messages}`,
        report: {
          email: null,
          to: [],
          providerId: `p-${id}`,
          feedback,
          suppress: null,
          detail,
        },
      },
      this.now,
    );
  }

  /** Checks what is true whichever release did what. @returns how many emails it looked at */
  async check(): Promise<number> {
    for (const id of this.emails.keys()) {
      const [events, recipients, contents, head] = await db.batch<Record<string, unknown>>([
        db.prepare("SELECT n, id FROM email_events WHERE email_id = ? ORDER BY n").bind(id),
        db.prepare("SELECT address, trouble FROM email_recipients WHERE email_id = ?").bind(id),
        db.prepare("SELECT html, text FROM email_contents WHERE email_id = ?").bind(id),
        db.prepare("SELECT status FROM emails WHERE id = ?").bind(id),
      ]);
      const places = (events?.results ?? []).map((_, place) => ({ n: place + 1, id: place + 1 }));
      expect(events?.results).toEqual(places);
      const status = String(head?.results[0]?.["status"]);
      const trouble = ["unknown", "pinned", "dead"].includes(status) ? status : null;
      expect(recipients?.results).toEqual([{ address: this.emails.get(id)?.to, trouble }]);
      expect(contents?.results).toHaveLength(1);
      expect(await findEmail(db, id)).toMatchObject((await before.findEmail(db, id)) ?? {});
    }
    const filters = [null, "unknown", "pinned", "dead"] as const;
    for (const status of filters)
      for (const to of [null, "ada@example.com"])
        for (const tenant of [null, "user:ada"]) {
          const filter = { tenant, status, to, before: null };
          const { emails: found } = await findEmails(db, filter, 50);
          expect(found).toMatchObject(await before.findEmails(db, filter, 50));
        }
    expect(await emailBacklog(db, this.now)).toEqual(await before.emailBacklog(db, this.now));
    for (const filter of [{}, { to: "ada@example.com" }])
      expect(await letters.findDeadLetters(db, filter, null, 50)).toMatchObject(
        await before.findDeadLetters(db, filter, null, 50),
      );
    return this.emails.size;
  }
}

const endings = ["sent", "unknown", "queued", "pinned", "dead"] as const;
type Ending = (typeof endings)[number];

const anyBy = fc.constantFrom(...both);
const anyStep = fc.oneof(
  fc.record({ do: fc.constant("accept" as const), by: anyBy, later: fc.boolean() }),
  fc.record({
    do: fc.constant("deliver" as const),
    by: anyBy,
    ending: fc.constantFrom(...endings),
    stops: fc.constantFrom(null, null, "claimed" as const, "sending" as const),
  }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(2_000, 10_000, 70_000) }),
  fc.record({
    do: fc.constantFrom("sweep", "bury", "replay", "resolve", "cancel", "discard", "report", "end"),
    by: anyBy,
    nth: fc.nat(10),
  }),
);
type Step = typeof anyStep extends fc.Arbitrary<infer One> ? One : never;

async function take(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case "wait":
      world.now += step.ms;
      return;
    case "accept":
      await world.accept(step.by, step.later ? { sendAt: world.now + 5_000 } : {});
      return;
    case "deliver": {
      if (step.stops === null) return await world.deliver(step.by, step.ending);
      const { token, ids } = await world.claim(step.by);
      if (step.stops === "sending") await world.mark(step.by, token, ids);
      return;
    }
    case "sweep":
      return await world.sweep(step.by);
    case "bury":
      return await world.bury(step.by);
    case "replay":
    case "resolve":
    case "cancel":
    case "discard":
    case "report":
    case "end":
      return await act(world, step);
  }
}

type Act = Extract<Step, { nth: number }>;

async function act(world: World, step: Act): Promise<void> {
  const at = releases[step.by];
  const { nth } = step;
  const id = [...world.emails.keys()][nth % Math.max(world.emails.size, 1)] ?? "none";
  switch (step.do) {
    case "replay":
      await at.replay(db, [...world.emails.keys()], 0, world.now);
      return;
    case "resolve":
      await at.resolveUnknown(db, id, nth % 2 === 0 ? "queued" : "dead", world.now);
      return;
    case "cancel":
      await at.cancelQueued(db, id, null, world.now);
      return;
    case "discard":
      await at.saveDiscard(db, id, world.now);
      return;
    case "report":
      return await world.report(step.by, id, nth % 2 === 0 ? "delivered" : "bounced");
    case "end": {
      const tenant = { tenant: "user:ada", endedUntil: world.now - 10_000, endedAt: world.now };
      await at.cancelUnsent(db, tenant, world.now, 100);
      return;
    }
    case "sweep":
    case "bury":
  }
}

/** The statements of two releases take about as long as those of two tests. */
const RUNS = Math.ceil(databaseRuns(inject("runs")) / 2);

describe("the release before and this one, on the same emails", () => {
  it("in any order keep contents, recipients and numbered events, and read the same", async () => {
    await fc.assert(
      fc
        .asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 12 }), async (steps) => {
          const world = new World();
          for (const step of [{ do: "accept", by: "before", later: false } as const, ...steps])
            await take(world, step);
          expect(await world.check()).toBe(world.emails.size);
        })
        .beforeEach(async () => {
          await db.batch([
            db.prepare("DELETE FROM emails"),
            db.prepare("DELETE FROM dead_letters"),
            db.prepare("DELETE FROM webhook_messages"),
          ]);
        }),
      { numRuns: RUNS, seed: inject("seed") },
    );
  });

  it.each(both.flatMap((accepts) => both.map((delivers) => [accepts, delivers] as const)))(
    "an email that %s accepts leaves whole through %s",
    async (accepts, delivers) => {
      const world = new World();
      const other = delivers === "this" ? "before" : "this";
      const ids = [
        await world.accept(accepts),
        await world.accept(accepts, { text: "Only text" }),
        await world.accept(accepts, { to: "eve@example.com" }),
      ];
      await world.deliver(delivers, "queued");
      world.now += 2_000;
      await world.deliver(other, "sent");
      expect(world.handedOver.toSorted()).toEqual([...ids, ...ids].toSorted());
      await world.check();
    },
  );

  it("a key that the release before stored answers for it here, and the other way round", async () => {
    const world = new World();
    const id = await world.accept("before");
    const key = { name: "order-1", former: null, requestHash: "hash", canonicalHash: "meaning" };
    const record = { tenant: "user:ada", key: key.name, requestHash: key.requestHash, emailId: id };
    await db.batch(
      before.insertIdempotencyKey(db, { ...record, expiresAt: world.now + DAY_MS }, world.now),
    );
    const again = { ...message, id: newUuidV7(world.now, 0), key };
    expect(await acceptEach(db, [again], world.now, [])).toEqual([
      {
        tag: "replayed",
        emailId: id,
        requestHash: "hash",
        canonicalHash: null,
        acceptedAt: world.now,
      },
    ]);
    const fresh = { ...again, key: { ...key, name: "order-2" } };
    expect(await acceptEach(db, [fresh], world.now, [])).toEqual([{ tag: "accepted" }]);
    expect(await before.findIdempotencyKey(db, "user:ada", "order-2", world.now)).toEqual({
      requestHash: "hash",
      emailId: fresh.id,
      acceptedAt: world.now,
    });
  });

  it("a key that looks like one of a batch is found where the release before stored it", async () => {
    const world = new World();
    const id = await world.accept("before");
    const record = { tenant: "user:ada", key: "order-1#1", requestHash: "hash", emailId: id };
    await db.batch(
      before.insertIdempotencyKey(db, { ...record, expiresAt: world.now + DAY_MS }, world.now),
    );
    const key = {
      name: "order-1#1 ",
      former: "order-1#1",
      requestHash: "hash",
      canonicalHash: "c",
    };
    const again = { ...message, id: newUuidV7(world.now, 0), key };
    expect(await acceptEach(db, [again], world.now, [])).toMatchObject([
      { tag: "replayed", emailId: id },
    ]);
    // A key of a batch, stored by this release, is another one.
    const ofBatch = { ...key, name: "order-2#1", former: null };
    const batch = { ...again, id: newUuidV7(world.now, 0), key: ofBatch };
    expect(await acceptEach(db, [batch], world.now, [])).toEqual([{ tag: "accepted" }]);
    const alone = { ...again, key: { ...key, name: "order-2#1 ", former: "order-2#1" } };
    expect(await acceptEach(db, [alone], world.now, [])).toEqual([{ tag: "accepted" }]);
  });

  it("an email of a later release is not claimed by this one", async () => {
    const world = new World();
    const id = await world.accept("this");
    await db
      .prepare("UPDATE emails SET format = ? WHERE id = ?")
      .bind(FORMAT + 1, id)
      .run();
    expect((await world.claim("this")).ids).toEqual([]);
  });

  it("an email is left to this release only if it has what the one before does not send", async () => {
    const world = new World();
    const formatOf = async (changes: Partial<NewEmail>): Promise<number | undefined> => {
      const id = await world.accept("this", changes);
      const row = db.prepare("SELECT format FROM emails WHERE id = ?").bind(id);
      return (await row.first<{ format: number }>())?.format;
    };
    const help = { name: "", address: "help@luna.example" };
    const logo = { filename: "a.png", contentType: "image/png", content: "SGk=" };
    for (const plain of [{}, { replyTo: [help] }, { attachments: [logo] }])
      expect(await formatOf(plain)).toBe(PLAIN_FORMAT);
    for (const changes of [
      { headers: { "X-A": "1" } },
      { replyTo: [help, help] },
      { replyTo: [{ ...help, name: "Help" }] },
      { attachments: [{ ...logo, contentId: "logo" }] },
    ])
      expect(await formatOf(changes)).toBe(RECIPIENTS_FORMAT);
    const named = { attachments: [{ id: crypto.randomUUID() }, logo] };
    expect(await formatOf(named)).toBe(NAMING_FORMAT);
    const linked = { category: "marketing" as const, text: "{{ unsubscribeUrl }}" };
    expect(await formatOf(linked)).toBe(FORMAT);
  });
});

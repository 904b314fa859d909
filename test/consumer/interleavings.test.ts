import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, inject, it } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { DeadLetterMessage, Notification } from "../../shared/email/queue-messages.ts";
import type { EmailStatus } from "../../shared/email/rules/lifecycle.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import { transitions } from "../../shared/email/rules/transitions.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { cancelQueued } from "../../shared/email/sql/cancel.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import { recordDeadLetters, replay } from "../../shared/email/sql/dead-letters.ts";
import { takeFeedback } from "../../shared/email/sql/feedback.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import { runSweep } from "../../shared/email/sweep.ts";
import { databaseRuns } from "../support/database-runs.ts";
import {
  accepted,
  detail,
  fakeQueue,
  fakeTransport,
  queueEmail,
  refused,
  refusedForGood,
  waitLimits,
} from "../support/emails.ts";

/** What a mail server does with one hand-over, and whether it keeps a copy. */
const answers: Record<string, { outcome: Outcome; copy: boolean }> = {
  accepts: { outcome: accepted, copy: true },
  refuses: { outcome: refused, copy: false },
  refusesForGood: { outcome: refusedForGood, copy: false },
  takesItAndVanishes: { outcome: { kind: "unknown", detail }, copy: true },
  vanishes: { outcome: { kind: "unknown", detail }, copy: false },
  throttles: { outcome: { kind: "rate_limited", detail }, copy: false },
  closes: { outcome: { kind: "rate_limited", detail, retryAfterMs: 300_000 }, copy: false },
  greylists: { outcome: { kind: "needs_time", detail, retryAfterMs: 60_000 }, copy: false },
};

const anyCommand = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("accept" as const),
      onUnknown: fc.constantFrom("hold" as const, "hold" as const, "resend" as const),
      laterByMs: fc.constantFrom(0, 0, 5_000, 200_000),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("deliver" as const),
      notifications: fc.integer({ min: 1, max: 12 }),
      // The queue delivers at least once.
      again: fc.boolean(),
      answers: fc.array(fc.constantFrom(...Object.keys(answers)), { minLength: 1, maxLength: 6 }),
      // The process dies before this call to D1.
      diesAtCall: fc.option(fc.integer({ min: 0, max: 5 }), { nil: null }),
      // During the first hand-over so much time passes, and the cron sweeps and another consumer is
      // delivered to.
      stallsMs: fc.constantFrom(0, 0, 0, 25_000, 61_000),
      // And the operator settles the email that stalls, before its outcome arrives.
      settledAs: fc.constantFrom(null, null, "queued" as const, "dead" as const),
      // Or the sender cancels everything at that moment.
      cancels: fc.boolean(),
      // Whose breaker is open meanwhile.
      open: fc.subarray(["smtp" as const, "resend" as const]),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.integer({ min: 1, max: 130_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.integer({ min: 3_600_000, max: 30 * 3_600_000 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("sweep" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("replay" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), nth: fc.nat(20) }) },
  // The provider reports an email that it has, in any order, and again.
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("feedback" as const),
      nth: fc.nat(20),
      feedback: fc.constantFrom(
        "accepted" as const,
        "delivered" as const,
        "bounced" as const,
        "complained" as const,
      ),
      again: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("queues lose everything" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("dead-letter" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("resolve" as const),
      to: fc.constantFrom("queued" as const, "dead" as const),
    }),
  },
);
type Command = typeof anyCommand extends fc.Arbitrary<infer One> ? One : never;

/** Which transports there are, in which order, and how fast the second kind may go. */
const anySetting = fc.record({
  order: fc.constantFrom<TransportName[]>(
    ["smtp"],
    ["smtp", "resend"],
    ["resend", "smtp"],
    ["resend"],
  ),
  everyMs: fc.constantFrom(null, null, 200),
});
type Setting = typeof anySetting extends fc.Arbitrary<infer One> ? One : never;

const DAY_MS = 86_400_000;
const left = ["sent", "delivered", "bounced", "complained"];

class World {
  readonly db = env.DB;
  now = 1_700_000_000_000;
  notifications = fakeQueue();
  deadLetters = fakeQueue();
  emails = new Map<string, "hold" | "resend">();
  copies = new Map<string, number>();
  handOvers: { id: string; generation: number }[] = [];
  readonly cancelled = new Set<string>();
  /** When the provider that recognizes its keys took an email. It forgets after a day. */
  readonly taken = new Map<string, number>();
  readonly setting: Setting;
  #tokens = 0;
  #messages = 0;

  constructor(setting: Setting) {
    this.setting = setting;
  }

  async run(command: Command): Promise<void> {
    switch (command.do) {
      case "accept": {
        const { onUnknown, laterByMs } = command;
        const id = await queueEmail(this.db, this.now, {
          onUnknown,
          ...(laterByMs > 0 && { sendAt: this.now + laterByMs }),
        });
        this.emails.set(id, command.onUnknown);
        this.notifications.sent.push({ body: { v: 1, emailId: id, generation: 1 } });
        return;
      }
      case "deliver":
        return await this.deliver(command);
      case "wait":
        this.now += command.ms;
        return;
      case "sweep":
        return await this.sweep();
      case "replay":
        // An operator may name any email.
        await replay(this.db, [...this.emails.keys()], 0, this.now);
        return;
      case "resolve":
        for (const id of this.emails.keys())
          await resolveUnknown(this.db, id, command.to, this.now);
        return;
      case "cancel": {
        const id = [...this.emails.keys()][command.nth % Math.max(this.emails.size, 1)];
        if (id !== undefined) await this.cancel(id);
        return;
      }
      case "feedback":
        return await this.feedback(command);
      case "queues lose everything":
        this.notifications.sent.length = 0;
        this.deadLetters.sent.length = 0;
        return;
      case "dead-letter": {
        const messages = this.deadLetters.sent
          .splice(0)
          .map(({ body }) => body as DeadLetterMessage);
        await recordDeadLetters(
          this.db,
          messages.map(({ emailId, generation }) => ({ id: emailId, generation })),
          7,
          this.now,
        );
      }
    }
  }

  async feedback({ nth, feedback, again }: Extract<Command, { do: "feedback" }>): Promise<void> {
    const key = [...this.taken.keys()][nth % Math.max(this.taken.size, 1)];
    if (key === undefined) return;
    const [id = "", generation = ""] = key.split(":");
    const report = {
      feedback,
      email: { id, generation: Number(generation), part: 1 },
      to: [],
      providerId: key,
      suppress: null,
      detail,
    };
    if (!again) this.#messages += 1;
    await takeFeedback(
      this.db,
      { provider: "resend", messageId: `message-${this.#messages}`, report },
      this.now,
    );
  }

  /**
   * A hand-over to either transport: they keep copies, and one of them recognizes an email that it
   * has had.
   */
  answer(transport: TransportName, key: string, script: string): Outcome {
    const { outcome, copy } = answers[script] ?? { outcome: accepted, copy: true };
    const known = this.taken.get(key);
    if (transport === "resend" && known !== undefined && this.now - known < DAY_MS) {
      return outcome.kind === "refused_permanent" ? accepted : outcome;
    }
    if (copy) {
      this.copies.set(key, (this.copies.get(key) ?? 0) + 1);
      if (transport === "resend") this.taken.set(key, this.now);
    }
    return outcome;
  }

  /**
   * A cancellation gets the truth: an email that was cancelled is never handed over any more, and
   * another goes on.
   */
  async cancel(id: string): Promise<void> {
    const done = await cancelQueued(this.db, id, null, this.now);
    if (done?.cancelled) this.cancelled.add(id);
  }

  async sweep(): Promise<void> {
    const policy = { maxRetries: 2, baseDelayMs: 1_000, maxDelayMs: 60_000 };
    await runSweep(
      {
        db: this.db,
        queue: this.notifications.queue,
        deadLetterQueue: this.deadLetters.queue,
        policy,
        waitLimits,
        everything: false,
      },
      this.now,
      () => 0.5,
    );
  }

  async deliver({
    notifications,
    again,
    answers: script,
    diesAtCall,
    stallsMs,
    settledAs,
    cancels,
    open,
  }: Extract<Command, { do: "deliver" }>): Promise<void> {
    const notified = this.notifications.sent
      .slice(0, notifications)
      .map(({ body }) => body as Notification);
    if (!again) this.notifications.sent.splice(0, notifications);
    const token = `token-${(this.#tokens += 1)}`;
    const { claimed, pace } = await claim(this.db, {
      notifications: notified,
      token,
      now: this.now,
      leaseExpiresAt: this.now + LEASE_MS,
      open: this.setting.order.filter((name) => !(open as string[]).includes(name)),
    });
    let calls = 0;
    const db = new Proxy(this.db, {
      get: (target, name) => {
        if (name === "batch" && diesAtCall !== null && calls++ >= diesAtCall)
          return () => Promise.reject(new Error("the process is dead"));
        return Reflect.get(target, name).bind(target);
      },
    });
    let handedOver = 0;
    await deliverClaimed(
      {
        db,
        queue: this.notifications.queue,
        deadLetterQueue: this.deadLetters.queue,
        policy: { maxRetries: 2, baseDelayMs: 1_000, maxDelayMs: 60_000 },
        waitLimits,
        clock: () => this.now,
        random: () => 0.5,
        sleep: async () => undefined,
        unsubscribe: null,
        emailIdHeader: "X-Luna-Email",
        transports: this.setting.order.map((name) =>
          fakeTransport(
            async ({ id, generation }) => {
              const scripted = script[handedOver % script.length] ?? "accepts";
              this.handOvers.push({ id, generation });
              expect(this.cancelled.has(id), `${id} was cancelled`).toBe(false);
              if (handedOver++ === 0 && stallsMs > 0) {
                this.now += stallsMs;
                await this.sweep();
                if (settledAs !== null) await resolveUnknown(this.db, id, settledAs, this.now);
                if (cancels) for (const email of this.emails.keys()) await this.cancel(email);
              }
              return this.answer(name, `${id}:${generation}`, scripted);
            },
            {
              name,
              everyMs: name === "resend" ? this.setting.everyMs : null,
              admission: () =>
                (open as string[]).includes(name)
                  ? { do: "reject", retryAfterMs: 20_000 }
                  : { do: "allow" },
            },
          ),
        ),
      },
      token,
      claimed,
      pace,
    );
  }

  async statuses(): Promise<Map<string, string>> {
    const { results } = await this.db
      .prepare("SELECT id, status FROM emails")
      .all<{ id: string; status: string }>();
    return new Map(results.map(({ id, status }) => [id, status]));
  }

  /** What holds after every step. */
  async check(sentBefore: Set<string>): Promise<Set<string>> {
    const statuses = await this.statuses();
    expect(new Set(statuses.keys())).toEqual(new Set(this.emails.keys()));
    for (const [key, count] of this.copies) {
      const [id = ""] = key.split(":");
      if (this.emails.get(id) === "hold") expect(count, `copies of ${key}`).toBeLessThanOrEqual(1);
    }
    for (const id of this.cancelled)
      expect(["cancelled", ...left], `${id} was cancelled`).toContain(statuses.get(id));
    for (const id of sentBefore) expect(left, `${id} was sent`).toContain(statuses.get(id));
    const sent = new Set(
      [...statuses].filter(([, status]) => left.includes(status)).map(([id]) => id),
    );
    for (const id of sent)
      expect(
        [...this.copies.keys()].some((key) => key.startsWith(`${id}:`)),
        `${id} is sent and arrived`,
      ).toBe(true);
    const lastEvents = await this.db
      .prepare(
        `SELECT e.id FROM emails e WHERE e.status <>
           (SELECT type FROM email_events v WHERE v.email_id = e.id ORDER BY v.id DESC LIMIT 1)`,
      )
      .all();
    expect(lastEvents.results, "each email's last event is its status").toEqual([]);
    const steps = await this.db
      .prepare(
        `SELECT DISTINCT LAG(type) OVER (PARTITION BY email_id ORDER BY id) AS before, type AS after
         FROM email_events`,
      )
      .all<{ before: EmailStatus | null; after: EmailStatus }>();
    for (const { before, after } of steps.results) {
      if (before !== null) expect(transitions[before], `${before} -> ${after}`).toContain(after);
    }
    const leases = await this.db
      .prepare(
        `SELECT id FROM emails WHERE (status IN ('claimed', 'sending'))
           <> (lease_token IS NOT NULL AND lease_expires_at IS NOT NULL)`,
      )
      .all();
    expect(
      leases.results,
      "a consumer that hands an email over has its lease, and no other has",
    ).toEqual([]);
    return sent;
  }

  /** Nothing fails any more: every email finds its end. */
  async drain(): Promise<void> {
    for (let minute = 0; minute < 8; minute += 1) {
      this.now += 70_000 * 2 ** minute;
      await this.sweep();
      while (this.notifications.sent.length > 0) {
        await this.deliver({
          do: "deliver",
          notifications: 100,
          again: false,
          answers: ["accepts"],
          diesAtCall: null,
          stallsMs: 0,
          settledAs: null,
          cancels: false,
          open: [],
        });
      }
    }
    await this.run({ do: "dead-letter" });
  }
}

it("no email is lost or sent twice, and each timeline is correct, after any crash or loss", async () => {
  await fc.assert(
    fc.asyncProperty(
      anySetting,
      fc.array(anyCommand, { maxLength: 40, size: "max" }),
      async (setting, commands) => {
        await env.DB.batch(
          [
            "emails",
            "email_events",
            "dead_letters",
            "webhook_messages",
            "transport_pace",
            "email_backlogs",
          ].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
        );
        const world = new World(setting);
        let sent = new Set<string>();
        for (const next of commands) {
          await world.run(next);
          sent = await world.check(sent);
        }
        await world.drain();
        await world.check(sent);
        const open = [...(await world.statuses())].filter(
          ([, status]) => ![...left, "unknown", "dead", "cancelled"].includes(status),
        );
        expect(open).toEqual([]);
        const missingDeadLetters = await env.DB.prepare(
          "SELECT id FROM emails WHERE status = 'dead' AND buried_at IS NULL",
        ).all();
        expect(missingDeadLetters.results).toEqual([]);
      },
    ),
    { numRuns: databaseRuns(inject("runs")), seed: inject("seed"), endOnFailure: false },
  );
});

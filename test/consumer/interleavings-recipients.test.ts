import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, inject, it } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { DeadLetterMessage, Notification } from "../../shared/email/queue-messages.ts";
import type { Recipient } from "../../shared/email/rules/mailboxes.ts";
import type { Outcome, OutcomeForAll } from "../../shared/email/rules/outcome.ts";
import { isOpen, type StoredRecipient } from "../../shared/email/rules/recipients.ts";
import { handOverKey } from "../../shared/email/rules/tag.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import { recordDeadLetters, replay } from "../../shared/email/sql/dead-letters.ts";
import { findEmail } from "../../shared/email/sql/emails.ts";
import { resolveUnknown } from "../../shared/email/sql/unknown.ts";
import { runSweep } from "../../shared/email/sweep.ts";
import type { OutgoingEmail } from "../../shared/email/transports/transport.ts";
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

/**
 * Emails to several recipients under any order of what happens: crashes, lost queues, greylisting,
 * limits, operators. Nobody gets two copies, and what the API shows of each recipient is true.
 */

/** What a server answers to one recipient, before the body. */
const ofOne = {
  takes: null,
  refuses: refused,
  refusesForGood: refusedForGood,
  greylists: { kind: "needs_time", detail, retryAfterMs: 60_000 },
} satisfies Record<string, Outcome | null>;
/** What it answers to the body, and whether it keeps it. */
const ofAll = {
  accepts: { outcome: accepted, keeps: true },
  takesItAndVanishes: { outcome: { kind: "unknown", detail }, keeps: true },
  vanishes: { outcome: { kind: "unknown", detail }, keeps: false },
  throttles: { outcome: { kind: "rate_limited", detail }, keeps: false },
  closes: { outcome: { kind: "rate_limited", detail, retryAfterMs: 300_000 }, keeps: false },
  refusesForGood: { outcome: refusedForGood, keeps: false },
} satisfies Record<string, { outcome: OutcomeForAll; keeps: boolean }>;

const keysOf = <Key extends string>(of: Record<Key, unknown>): Key[] => Object.keys(of) as Key[];
const anyScript = fc.record({
  each: fc.array(fc.constantFrom("takes" as const, ...keysOf(ofOne)), {
    minLength: 1,
    maxLength: 4,
  }),
  all: fc.constantFrom("accepts" as const, ...keysOf(ofAll)),
});
type Script = typeof anyScript extends fc.Arbitrary<infer One> ? One : never;

const anyCommand = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("accept" as const),
      onUnknown: fc.constantFrom("hold" as const, "hold" as const, "resend" as const),
      recipients: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("deliver" as const),
      notifications: fc.integer({ min: 1, max: 8 }),
      again: fc.boolean(),
      scripts: fc.array(anyScript, { minLength: 1, maxLength: 4 }),
      // The process dies before this call to D1.
      diesAtCall: fc.option(fc.integer({ min: 0, max: 5 }), { nil: null }),
      stallsMs: fc.constantFrom(0, 0, 0, 61_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 130_000 }), fc.constant(25 * 3_600_000)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("sweep" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("replay" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("suppress" as const), nth: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("queues lose everything" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("dead-letter" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("resolve" as const),
      to: fc.constantFrom("queued" as const, "dead" as const, "sent" as const),
      nth: fc.nat(20),
    }),
  },
);
type Command = typeof anyCommand extends fc.Arbitrary<infer One> ? One : never;
type Delivering = Extract<Command, { do: "deliver" }>;

const DAY_MS = 86_400_000;
const policy = { maxRetries: 2, baseDelayMs: 1_000, maxDelayMs: 60_000 };
const healthy: Script = { each: ["takes"], all: "accepts" };

class World {
  readonly db = env.DB;
  readonly transport: TransportName;
  now = 1_700_000_000_000;
  notifications = fakeQueue();
  deadLetters = fakeQueue();
  readonly emails = new Map<string, { onUnknown: "hold" | "resend"; to: string[] }>();
  /** By email, generation and recipient. */
  readonly copies = new Map<string, number>();
  /** What a person decided without knowing: copies, and what is shown, are theirs. */
  readonly decided = new Set<string>();
  /** When the provider took what came under a key. */
  readonly taken = new Map<string, number>();
  #tokens = 0;
  #accepted = 0;

  constructor(transport: TransportName) {
    this.transport = transport;
  }

  async run(command: Command): Promise<void> {
    switch (command.do) {
      case "accept":
        return await this.accept(command);
      case "deliver":
        return await this.deliver(command);
      case "wait":
        this.now += command.ms;
        return;
      case "sweep":
        return await this.sweep();
      case "replay":
        await replay(this.db, [...this.emails.keys()], 0, this.now);
        return;
      case "suppress": {
        const all = [...this.emails.values()].flatMap(({ to }) => to);
        const address = all[command.nth % Math.max(all.length, 1)];
        if (address !== undefined) await this.suppress(address);
        return;
      }
      case "resolve": {
        const id = [...this.emails.keys()][command.nth % Math.max(this.emails.size, 1)];
        const isUnknown = (await this.statuses()).get(id ?? "") === "unknown";
        if (id === undefined || !isUnknown) return;
        this.decided.add(id);
        await resolveUnknown(this.db, id, command.to, this.now);
        return;
      }
      case "queues lose everything":
        this.notifications.sent.length = 0;
        this.deadLetters.sent.length = 0;
        return;
      case "dead-letter":
        return await this.deadLetter();
    }
  }

  async accept({ onUnknown, recipients }: Extract<Command, { do: "accept" }>): Promise<void> {
    const nth = (this.#accepted += 1);
    const to = Array.from({ length: recipients }, (_, n) => `r${n}@email-${nth}.example`);
    const all = to.map((address, n): Recipient => {
      const kind = n === 3 ? "bcc" : "to";
      return { kind, name: "", address };
    });
    const fields = { onUnknown, to: to[0] ?? "", recipients: all };
    const id = await queueEmail(this.db, this.now, fields);
    this.emails.set(id, { onUnknown, to });
    this.notifications.sent.push({ body: { v: 1, emailId: id, generation: 1 } });
  }

  async suppress(address: string): Promise<void> {
    await this.db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES (?1, 'all', 'manual', 0) ON CONFLICT DO NOTHING`,
      )
      .bind(address)
      .run();
  }

  async deadLetter(): Promise<void> {
    const letters = this.deadLetters.sent.splice(0).map(({ body }) => {
      const { emailId: id, generation } = body as DeadLetterMessage;
      return { id, generation };
    });
    await recordDeadLetters(this.db, letters, 7, this.now);
  }

  async sweep(): Promise<void> {
    const [queue, deadLetterQueue] = [this.notifications.queue, this.deadLetters.queue];
    await runSweep(
      { db: this.db, queue, deadLetterQueue, policy, waitLimits, everything: false },
      this.now,
      () => 0.5,
    );
  }

  /** SMTP answers for each recipient; the provider for all, and it recognizes what it has. */
  answer(email: OutgoingEmail, { each, all }: Script): Outcome {
    const targets = email.recipients.filter(({ state }) => isOpen(state));
    const { outcome, keeps } = ofAll[all];
    if (this.transport === "resend") {
      const key = handOverKey(email);
      const known = this.taken.get(key);
      if (known !== undefined && this.now - known < DAY_MS)
        return outcome.kind === "refused_permanent" ? accepted : outcome;
      if (keeps) this.keep(email, targets);
      if (keeps) this.taken.set(key, this.now);
      return outcome;
    }
    const answers = targets.map(({ n }, place) => ({
      n,
      outcome: ofOne[each[place % each.length] ?? "takes"],
    }));
    const taken = targets.filter((_, place) => answers[place]?.outcome === null);
    const except = answers.flatMap(({ n, outcome: own }) =>
      own === null ? [] : [{ n, outcome: own }],
    );
    if (taken.length > 0 && keeps) this.keep(email, taken);
    const forAll = taken.length > 0 ? outcome : (except[0]?.outcome ?? outcome);
    return except.length === 0 ? forAll : { ...forAll, except };
  }

  keep({ id, generation }: OutgoingEmail, targets: readonly StoredRecipient[]): void {
    for (const { address } of targets) {
      const key = `${id} ${generation} ${address}`;
      this.copies.set(key, (this.copies.get(key) ?? 0) + 1);
    }
  }

  async deliver({ notifications, again, scripts, diesAtCall, stallsMs }: Delivering) {
    const sent = this.notifications.sent;
    const notified = sent.slice(0, notifications).map(({ body }) => body as Notification);
    if (!again) sent.splice(0, notifications);
    const token = `token-${(this.#tokens += 1)}`;
    const { claimed, pace } = await claim(this.db, {
      notifications: notified,
      token,
      now: this.now,
      leaseExpiresAt: this.now + LEASE_MS,
      open: [this.transport],
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
    const send = async (email: OutgoingEmail): Promise<Outcome> => {
      const script = scripts[handedOver % scripts.length] ?? healthy;
      if (handedOver++ === 0 && stallsMs > 0) {
        this.now += stallsMs;
        await this.sweep();
      }
      return this.answer(email, script);
    };
    await deliverClaimed(
      {
        db,
        queue: this.notifications.queue,
        deadLetterQueue: this.deadLetters.queue,
        policy,
        waitLimits,
        clock: () => this.now,
        random: () => 0.5,
        sleep: async () => undefined,
        unsubscribe: null,
        emailIdHeader: "X-Luna-Email",
        transports: [fakeTransport(send, { name: this.transport })],
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

  copiesOf(id: string, address: string): number {
    return [...this.copies]
      .filter(([key]) => key.startsWith(`${id} `) && key.endsWith(` ${address}`))
      .reduce((sum, [, count]) => sum + count, 0);
  }

  /** What holds after every hand-over. */
  async check(): Promise<void> {
    for (const [key, count] of this.copies) {
      const [id = ""] = key.split(" ");
      if (this.emails.get(id)?.onUnknown === "hold") expect(count, `copies ${key}`).toBe(1);
    }
    for (const [id, { onUnknown, to }] of this.emails) {
      // What is sent again without an answer, and what a person decided, may come twice.
      if (onUnknown === "resend" || this.decided.has(id)) continue;
      const { email } = (await findEmail(this.db, id)) ?? {};
      for (const { address, state } of email?.recipients ?? []) {
        const copies = this.copiesOf(id, address);
        expect(copies, `copies of ${id} for ${address}`).toBeLessThanOrEqual(1);
        if (state === "accepted") expect(copies, `${address} has ${id}`).toBe(1);
        if (state === "refused" || state === "suppressed")
          expect(copies, `${address} is ${state}`).toBe(0);
      }
      expect(email?.recipients.map(({ address }) => address)).toEqual(to);
    }
  }

  /** Nothing fails any more: every recipient finds its end. */
  async drain(): Promise<void> {
    for (let minute = 0; minute < 9; minute += 1) {
      this.now += 70_000 * 2 ** minute;
      await this.sweep();
      while (this.notifications.sent.length > 0) {
        await this.deliver({
          do: "deliver",
          notifications: 100,
          again: false,
          scripts: [healthy],
          diesAtCall: null,
          stallsMs: 0,
        });
      }
    }
    await this.deadLetter();
  }
}

it("no recipient is lost or gets two copies, and each state is true, after any crash or loss", async () => {
  const commands = fc.array(anyCommand, { maxLength: 20, size: "max" });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<TransportName>("smtp", "smtp", "resend"),
      commands,
      async (transport, given) => {
        const tables =
          "emails email_events dead_letters transport_pace email_backlogs suppressions";
        await env.DB.batch(
          tables.split(" ").map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
        );
        const world = new World(transport);
        for (const next of given) {
          await world.run(next);
          if (next.do === "deliver") await world.check();
        }
        await world.drain();
        await world.check();
        for (const id of world.emails.keys()) {
          const { email } = (await findEmail(env.DB, id)) ?? {};
          const states = email?.recipients.map(({ state }) => state) ?? [];
          const isUnknown = email?.status === "unknown";
          expect(isUnknown || !states.includes("pending"), `${id}: ${states.join()}`).toBe(true);
        }
      },
    ),
    {
      numRuns: Math.ceil(databaseRuns(inject("runs")) / 2),
      seed: inject("seed"),
      endOnFailure: false,
    },
  );
});

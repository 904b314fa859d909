import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { claimAdmitted } from "../../shared/email/delivery/claim-admitted.ts";
import { deliverClaim } from "../../shared/email/delivery/deliver.ts";
import type { Delivery } from "../../shared/email/delivery/ports.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import { everyMsAt, slowedBy, type Slowed } from "../../shared/email/rules/pace.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { endLimits } from "../../shared/email/sql/limits.ts";
import { noteRateAnswer, readPace, reserveRate, type Pace } from "../../shared/email/sql/pace.ts";
import type { GuardedTransport } from "../../shared/email/transports/transport.ts";
import {
  accepted,
  detail,
  emailRow,
  eventTypes,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  waitLimits,
} from "../support/emails.ts";
import { losingReplies } from "../support/lossy-database.ts";

/** What a provider's limits make of the fleet's pace, on a real D1. */

const db = env.DB;
const HOUR_MS = 3_600_000;
const start = 1_700_000_000_000;
const tooMany = (retryAfterMs?: number): Outcome => ({
  kind: "rate_limited",
  detail,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

let now = start;
let handOvers: [TransportName, string][] = [];
let slept: number[] = [];
let token = 0;

beforeEach(async () => {
  now = start;
  handOvers = [];
  slept = [];
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
  const delivery: Delivery = {
    db,
    queue: fakeQueue().queue,
    deadLetterQueue: fakeQueue().queue,
    transports,
    policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
    waitLimits,
    unsubscribe: null,
    emailIdHeader: "X-Luna-Email",
    clock: () => now,
    random: () => 0.5,
    sleep: async (ms) => void slept.push(ms),
    ...changes,
  };
  const lease = `token-${(token += 1)}`;
  const claim = await claimAdmitted(
    delivery,
    ids.map((id) => notification(id)),
    lease,
  );
  if (claim !== null) await deliverClaim(delivery, lease, claim);
}

const queued = (emails: number): Promise<string[]> =>
  Promise.all(Array.from({ length: emails }, () => queueEmail(db, now)));

async function paceOf(name: TransportName): Promise<Pace | undefined> {
  const [read] = await db.batch([readPace(db, [name], now)]);
  return (read?.results as Pace[] | undefined)?.[0];
}

describe("a fleet whose provider reports a limit", () => {
  it("has half of what it had handed over within a second, and the next batch keeps to that", async () => {
    await deliver(await queued(5), [transport("smtp", [accepted, tooMany()])]);
    expect((await paceOf("smtp"))?.slowedMs).toBe(400);
    now += 1_000;
    await deliver(await queued(5), [transport("smtp", [accepted])]);
    expect(handOvers).toHaveLength(10);
    const ahead = slept.toSorted((a, b) => a - b);
    expect(ahead).toHaveLength(4);
    for (const [n, ms] of ahead.entries())
      expect(Math.abs(ms - (n + 1) * 400)).toBeLessThanOrEqual(2);
  });

  it("keeps to that with the next group of the same batch", async () => {
    await deliver(await queued(10), [
      transport("smtp", [tooMany(), tooMany(), tooMany(), tooMany(), tooMany(), accepted]),
    ]);
    expect(handOvers).toHaveLength(10);
    expect(slept).toEqual([400, 800, 1_200, 1_600]);
  });

  it("has half of its configured rate, and that again after it has recovered", async () => {
    const rated = { everyMs: 200 };
    await deliver(await queued(1), [transport("resend", [tooMany()], rated)]);
    expect((await paceOf("resend"))?.slowedMs).toBe(400);
    now += 16 * 60_000;
    await deliver(await queued(5), [transport("resend", [accepted], rated)]);
    expect(slept).toEqual([200, 400, 600, 800]);
  });

  it("is slowed once by all answers of a second, and by an answer whose record was lost", async () => {
    const [one = "", ...others] = await queued(6);
    await deliver([one], [transport("smtp", [tooMany()])], { db: losingReplies(db, 4) });
    const slowed = (await paceOf("smtp"))?.slowedMs;
    expect(slowed).toBe(2_000);
    now += 900;
    await deliver(others, [transport("smtp", [tooMany()])]);
    expect((await paceOf("smtp"))?.slowedMs).toBeLessThanOrEqual(2_000);
  });

  it("is slowed also after an answer by a clock that was an hour ahead", async () => {
    const limited = [transport("smtp", [tooMany()], { everyMs: 100 })];
    now += HOUR_MS;
    await deliver(await queued(1), limited);
    now -= HOUR_MS;
    await deliver(await queued(1), limited);
    expect((await paceOf("smtp"))?.slowedMs).toBe(400);
  });

  it("uses up no attempt of an email, and hands a group over that fits its lease", async () => {
    for (let n = 0; n < 8; n += 1) {
      await deliver(await queued(1), [transport("smtp", [tooMany()])]);
      now += 15_000;
    }
    expect(Math.round((await paceOf("smtp"))?.slowedMs ?? 0)).toBeGreaterThan(9_000);
    now += 60_000;
    handOvers = [];
    await deliver(await queued(5), [transport("smtp", [accepted])]);
    expect(handOvers).toHaveLength(1);
    const { results } = await db
      .prepare("SELECT DISTINCT status, attempts FROM emails WHERE status <> 'sent'")
      .all();
    expect(results).toEqual([{ status: "queued", attempts: 0 }]);
  });

  it("is not slowed where emails do not wait for servers: each refusal is an attempt", async () => {
    const [id = ""] = await queued(1);
    await deliver([id], [transport("smtp", [tooMany(300_000)])], {
      waitLimits: { retryWindowMs: 0, maxWaitMs: 0 },
    });
    expect(await emailRow(db, id)).toMatchObject({ attempts: 1, due_at: now + 1_000 });
    expect(await paceOf("smtp")).toBeUndefined();
  });
});

describe("a limit that resets after over a minute", () => {
  it("closes the transport: emails take the next one, without asking it", async () => {
    const both = [transport("resend", [tooMany(300_000)]), transport("smtp", [accepted])];
    const [first = "", ...others] = await queued(4);
    await deliver([first], both);
    await deliver(others, both);
    expect(handOvers.map(([name]) => name)).toEqual(["resend", "smtp", "smtp", "smtp", "smtp"]);
  });

  it("closes it for the other groups of the batch at once", async () => {
    const both = [transport("resend", [tooMany(300_000)]), transport("smtp", [accepted])];
    let batches = 0;
    const counting = new Proxy(db, {
      get: (target, name) => {
        if (name === "batch") batches += 1;
        return Reflect.get(target, name).bind(target);
      },
    });
    await deliver(await queued(10), both, { db: counting });
    expect(handOvers.filter(([name]) => name === "resend")).toHaveLength(5);
    expect(handOvers.filter(([name]) => name === "smtp")).toHaveLength(10);
    // The claim, the three groups that leave, and the last record: none asks in vain.
    expect(batches).toBe(5);
  });

  it.each([
    ["without a rate", null],
    ["with a rate", 10],
  ])("closes one %s also for a batch that another consumer is at", async (_, everyMs) => {
    let isClosed = false;
    const send = async (): Promise<Outcome> => {
      handOvers.push(["resend", ""]);
      if (!isClosed) {
        isClosed = true;
        const answer = { transport: "resend" as const, beganAt: now, detail };
        const closing = { ...answer, closedUntil: now + 300_000 };
        await db.batch(noteRateAnswer(db, closing, everyMs, now));
        // A slow-down may recover before a limit resets.
        await db.prepare("UPDATE transport_pace SET slowed_ms = NULL").run();
      }
      return accepted;
    };
    const resend = fakeTransport(send, { name: "resend", everyMs });
    await deliver(await queued(10), [resend, transport("smtp", [accepted])]);
    expect(handOvers.map(([name]) => name)).toEqual([
      ...Array.from({ length: 5 }, () => "resend"),
      ...Array.from({ length: 5 }, () => "smtp"),
    ]);
  });

  it("lets emails wait until then where there is no other, without an attempt or a claim", async () => {
    const alone = [transport("resend", [tooMany(300_000), accepted])];
    const [first = "", second = ""] = await queued(2);
    await deliver([first], alone);
    await deliver([second], alone);
    const waits = { status: "queued", attempts: 0, wait_class: "rate", due_at: now + 300_000 };
    expect(await emailRow(db, first)).toMatchObject(waits);
    expect(await emailRow(db, second)).toMatchObject({ ...waits, waiting_since: now });
    expect(await eventTypes(db, second)).toEqual(["queued"]);
    now += 300_000;
    await deliver([first, second], alone);
    expect(handOvers).toHaveLength(3);
    expect(await emailRow(db, second)).toMatchObject({ status: "sent", attempts: 1 });
  });

  it("is taken for a day at most", async () => {
    const [id = ""] = await queued(1);
    await deliver([id], [transport("resend", [tooMany(1_000 * HOUR_MS)])]);
    expect((await paceOf("resend"))?.closedUntil).toBe(now + 24 * HOUR_MS);
    expect(await emailRow(db, id)).toMatchObject({ due_at: now + 24 * HOUR_MS });
  });

  it("keeps an email that is pinned there for as long as its key is known", async () => {
    const unclear: Outcome = { kind: "unknown", detail };
    const [pinned = "", other = ""] = await queued(2);
    const resend = transport("resend", [unclear, tooMany(1_000 * HOUR_MS)]);
    await deliver([pinned], [resend]);
    await deliver([other], [resend, transport("smtp", [accepted])]);
    now += 1_000;
    await deliver([pinned], [resend, transport("smtp", [accepted])]);
    expect(handOvers).toHaveLength(3);
    const row = await emailRow(db, pinned);
    expect(row).toMatchObject({ status: "pinned", attempts: 1 });
    expect(row.due_at).toBeGreaterThan(now + HOUR_MS);
  });

  it("ends when an operator ends it: what waits for it is due", async () => {
    const alone = [transport("resend", [tooMany(HOUR_MS), accepted])];
    const [first = "", second = ""] = await queued(2);
    await deliver([first], alone);
    await deliver([second], alone);
    now += 1_000;
    const due = await endLimits(db, "resend", now);
    expect(due.map(({ id }) => id).toSorted()).toEqual([first, second].toSorted());
    await deliver([first, second], alone);
    expect(handOvers).toHaveLength(3);
    expect(await paceOf("resend")).toMatchObject({ slowedMs: 0, closedUntil: 0 });
  });
});

it("D1 makes of answers and time what the rules make of them", async () => {
  const anyStep = fc.record({
    afterMs: fc.integer({ min: 0, max: 300_000 }),
    agoMs: fc.integer({ min: 0, max: 3_000 }),
    reserves: fc.integer({ min: 0, max: 5 }),
  });
  const anyRate = fc.option(fc.integer({ min: 1, max: 1_000 }));
  const anyTaken = fc.integer({ min: 0, max: 30 });
  const anySteps = fc.array(anyStep, { maxLength: 8 });
  const ids = await queued(30);
  await fc.assert(
    fc.asyncProperty(anyRate, anyTaken, anySteps, async (perSecond, inMinute, steps) => {
      await db.batch([
        db.prepare("DELETE FROM transport_pace"),
        db.prepare("UPDATE emails SET status = 'queued'"),
      ]);
      const everyMs = perSecond === null ? null : 1_000 / perSecond;
      let slowed: Slowed | null = null;
      now = start;
      for (const [n, { afterMs, agoMs, reserves }] of steps.entries()) {
        now += afterMs;
        const group = { emails: reserves, everyMs, groupId: `g${n}`, maxWaitMs: 5_000 };
        if (reserves > 0) await db.batch([reserveRate(db, { transport: "smtp", ...group }, now)]);
        const freeAt = Math.max((await paceOf("smtp"))?.freeAt ?? 0, now);
        const beganAt = now - agoMs;
        const answer = { transport: "smtp" as const, beganAt, closedUntil: null, detail };
        await db
          .prepare(
            `UPDATE emails SET status = 'sent', transport = 'smtp', updated_at = ?2
             WHERE id IN (SELECT value FROM json_each(?1))`,
          )
          .bind(JSON.stringify(ids.slice(0, inMinute)), now)
          .run();
        await db.batch(noteRateAnswer(db, answer, everyMs, now));
        const answered = { configuredMs: everyMs, beganAt, freeAt, underWay: inMinute, inMinute };
        slowed = slowedBy(answered, slowed, now);
        now += agoMs;
        const slowedMs = (await paceOf("smtp"))?.slowedMs ?? 0;
        expect(Math.max(slowedMs, everyMs ?? 0)).toBeCloseTo(
          everyMsAt(everyMs, slowed, now) ?? 0,
          4,
        );
      }
    }),
    { numRuns: 40 },
  );
});

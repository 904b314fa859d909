import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, inject, it, vi } from "vitest";
import { counters } from "../../shared/telemetry/counters.ts";
import { seriesOf } from "../../shared/telemetry/rules/series.ts";
import worker from "../../workers/consumer/index.ts";
import { cloudflareEvent, type EventName } from "../support/cloudflare-events.ts";
import { emailRow, queueEmail } from "../support/emails.ts";

/** Events of Cloudflare's Email Service, from the queue to D1. */

const db = env.DB;
const now = Date.now();

beforeEach(async () => {
  await db.batch(
    ["emails", "email_recipients", "suppressions", "webhook_messages"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

let sentEmails = 0;
/** An email that Cloudflare has taken. */
async function sent(addresses = ["ada@example.com"], transport = "cloudflare") {
  const recipients = addresses.map((address) => ({ kind: "to" as const, name: "", address }));
  const id = await queueEmail(db, now, { to: addresses[0] ?? "", recipients });
  const messageId = `message-${(sentEmails += 1)}`;
  await db
    .prepare(
      `UPDATE emails SET status = 'sent', transport = ?2, provider_id = ?3, sent_at = ?4
       WHERE id = ?1`,
    )
    .bind(id, transport, messageId, now)
    .run();
  return { id, messageId };
}

type Consumed = { acked: string[]; retried: string[]; delays: unknown[] };

async function consume(bodies: unknown[], { attempts = 1, database = db } = {}): Promise<Consumed> {
  const messages = bodies.map((body, n) => ({
    id: `m-${n}`,
    timestamp: new Date(now),
    attempts,
    body,
  }));
  const batch = createMessageBatch("luna-email-feedback", messages);
  const delays: unknown[] = [];
  for (const message of batch.messages) {
    const retry = message.retry.bind(message);
    vi.spyOn(message, "retry").mockImplementation((options) => {
      delays.push(options?.delaySeconds);
      retry(options);
    });
  }
  await worker.queue(batch, { ...env, DB: database });
  const result = await getQueueResult(batch, createExecutionContext());
  return {
    acked: result.explicitAcks,
    retried: result.retryMessages.map(({ msgId }) => msgId),
    delays,
  };
}

const counted = (kind: string): number =>
  counters.totals()[seriesOf("luna_email_feedback_total", { transport: "cloudflare", kind })] ?? 0;
const suppressed = async () =>
  (await db.prepare("SELECT address, reason FROM suppressions ORDER BY address").all()).results;
const statesOf = async (id: string) =>
  (
    await db
      .prepare("SELECT status FROM email_recipients WHERE email_id = ? ORDER BY n")
      .bind(id)
      .all<{ status: string | null }>()
  ).results.map(({ status }) => status);

describe("an event of Cloudflare's Email Service", () => {
  it.each<[EventName, string, { address: string; reason: string }[]]>([
    ["delivered", "delivered", []],
    ["deferred", "sent", []],
    ["bounced", "bounced", [{ address: "ada@example.com", reason: "bounce" }]],
    ["failed", "bounced", []],
    ["rejected", "bounced", [{ address: "ada@example.com", reason: "bounce" }]],
    ["complained", "complained", [{ address: "ada@example.com", reason: "complaint" }]],
  ])("%s makes its email %s", async (name, status, suppressions) => {
    const { id, messageId } = await sent();
    const event = cloudflareEvent(name, { messageId, recipient: "Ada@example.com" });
    expect(await consume([event])).toMatchObject({ acked: ["m-0"], retried: [] });
    expect(await emailRow(db, id)).toMatchObject({ status });
    expect(await suppressed()).toEqual(suppressions);
  });

  it("about one of several recipients changes only that one", async () => {
    const { id, messageId } = await sent(["ada@example.com", "bob@example.com", "eve@example.com"]);
    await consume([
      cloudflareEvent("failed", { messageId, recipient: "bob@example.com" }),
      cloudflareEvent("delivered", { messageId, recipient: "eve@example.com" }),
    ]);
    expect(await statesOf(id)).toEqual([null, "bounced", "delivered"]);
  });

  it("that comes again changes nothing more, and is counted as repeated", async () => {
    const { id, messageId } = await sent();
    const event = cloudflareEvent("deferred", { messageId, recipient: "ada@example.com" });
    const before = counted("repeated");
    await consume([event]);
    await consume([event]);
    expect(counted("repeated")).toBe(before + 1);
    const { results } = await db
      .prepare("SELECT type FROM email_events WHERE email_id = ? AND type = 'transient-bounce'")
      .bind(id)
      .all();
    expect(results).toHaveLength(1);
  });

  it("of no email of ours is looked at once more, then acknowledged and counted", async () => {
    const event = cloudflareEvent("bounced", { messageId: "of-another-product" });
    const before = counted("unknown_email");
    expect(await consume([event])).toEqual({ acked: [], retried: ["m-0"], delays: [120] });
    expect(counted("unknown_email")).toBe(before);
    expect(await consume([event], { attempts: 2 })).toMatchObject({ acked: ["m-0"], retried: [] });
    expect(counted("unknown_email")).toBe(before + 1);
    expect(await suppressed()).toEqual([]);
  });

  it("that came before the answer of send() was recorded is taken the second time", async () => {
    const { id, messageId } = await sent();
    const event = cloudflareEvent("delivered", { messageId, recipient: "ada@example.com" });
    await db.prepare("UPDATE emails SET provider_id = NULL WHERE id = ?").bind(id).run();
    expect((await consume([event])).retried).toEqual(["m-0"]);
    await db.prepare("UPDATE emails SET provider_id = ?2 WHERE id = ?1").bind(id, messageId).run();
    expect((await consume([event], { attempts: 2 })).acked).toEqual(["m-0"]);
    expect(await emailRow(db, id)).toMatchObject({ status: "delivered" });
  });

  it("with an id that another transport gave changes nothing", async () => {
    const { id, messageId } = await sent(["ada@example.com"], "resend");
    await consume([cloudflareEvent("bounced", { messageId })], { attempts: 2 });
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("of another kind is acknowledged and counted; the others of its batch are taken", async () => {
    const { id, messageId } = await sent();
    const before = counted("ignored");
    const event = cloudflareEvent("delivered", { messageId, recipient: "ada@example.com" });
    const { acked } = await consume([null, { type: "cf.kv.namespace.created" }, event]);
    expect(acked.toSorted()).toEqual(["m-0", "m-1", "m-2"]);
    expect(counted("ignored")).toBe(before + 2);
    expect(await emailRow(db, id)).toMatchObject({ status: "delivered" });
  });

  it("is kept in the queue while D1 does not answer", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const { messageId } = await sent();
    const broken = new Proxy(db, {
      get: () => () => {
        throw new Error("no database");
      },
    });
    const event = cloudflareEvent("delivered", { messageId });
    expect(await consume([event], { database: broken })).toEqual({
      acked: [],
      retried: ["m-0"],
      delays: [undefined],
    });
    vi.restoreAllMocks();
  });
});

it("events in any order, and any number of times, end in the gravest", async () => {
  const order = ["delivered", "bounced", "complained"] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...order, "deferred" as const), { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(5), { maxLength: 4 }),
      async (names, repeats) => {
        const { id, messageId } = await sent();
        const events = names.map((name) =>
          cloudflareEvent(name, { messageId, recipient: "ada@example.com" }),
        );
        const again = repeats.flatMap((n) => events[n] ?? []);
        for (const event of [...events, ...again]) await consume([event]);
        const gravest = order.findLast((one) => names.includes(one)) ?? "sent";
        expect(await emailRow(db, id)).toMatchObject({ status: gravest });
      },
    ),
    { numRuns: 25, seed: inject("seed") },
  );
});

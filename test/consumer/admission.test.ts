import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import worker from "../../workers/consumer/index.ts";
import type { ConsumerEnv } from "../../workers/env.ts";
import { notification, eventTypes, fakeQueue, emailRow, queueEmail } from "../support/emails.ts";
import { eventually } from "../support/eventually.ts";

/**
 * What a batch of notifications does while the breaker of the only transport is not closed. Nothing
 * listens where the emails would go.
 */

const db = env.DB;
let fleet = 0;
let notifications = fakeQueue();
let bindings: ConsumerEnv;
let breaker: ReturnType<ConsumerEnv["CIRCUIT_BREAKER"]["getByName"]>;

beforeEach(async () => {
  const suffix = `#admission-${(fleet += 1)}`;
  const getByName = (name: string) => env.CIRCUIT_BREAKER.getByName(name + suffix);
  breaker = getByName("email:smtp");
  notifications = fakeQueue();
  bindings = {
    ...env,
    EMAIL_QUEUE: notifications.queue,
    CIRCUIT_BREAKER: { getByName } as ConsumerEnv["CIRCUIT_BREAKER"],
  };
  await db.batch(["emails", "email_events"].map((table) => db.prepare(`DELETE FROM ${table}`)));
});

/** @returns how many messages were acknowledged */
async function consume(ids: string[]): Promise<number> {
  const messages = ids.map((id, n) => ({
    id: `message-${n}`,
    timestamp: new Date(),
    attempts: 1,
    body: notification(id),
  }));
  const batch = createMessageBatch("luna-email", messages);
  const acks = batch.messages.map((message) => vi.spyOn(message, "ack"));
  await worker.queue(batch, bindings);
  return acks.filter((ack) => ack.mock.calls.length > 0).length;
}

describe("a batch of notifications", () => {
  it("meets an open breaker that is new to this isolate: nothing is claimed, only postponed", async () => {
    await breaker.forceOpen({ actor: "ada", reason: "maintenance", until: Date.now() + 20_000 });
    const now = Date.now();
    const ids = await Promise.all(Array.from({ length: 10 }, () => queueEmail(db, now)));
    const later = await queueEmail(db, now + 3_600_000);
    expect(await consume([...ids, later])).toBe(11);
    for (const id of ids) {
      const row = await emailRow(db, id);
      expect(row).toMatchObject({ status: "queued", attempts: 0, lease_token: null });
      expect(row.due_at - now).toSatisfy((ms: number) => ms > 15_000 && ms <= 21_000);
      expect(await eventTypes(db, id)).toEqual(["queued"]);
    }
    const lastError = await db
      .prepare("SELECT last_error FROM emails WHERE id = ?")
      .bind(ids[0])
      .first<string>("last_error");
    expect(JSON.parse(lastError ?? "")).toEqual({
      transport: "smtp",
      phase: "circuit-breaker",
      text: "the circuit breaker is open",
    });
    expect(notifications.sent).toHaveLength(11);
    expect((await emailRow(db, later)).due_at).toBe(now + 3_600_000);
  });

  it("meets one that may be probed: one email is the probe, the others wait", async () => {
    await breaker.forceOpen({ actor: "ada", reason: "maintenance", until: Date.now() + 1_000 });
    const ids = await Promise.all(Array.from({ length: 10 }, () => queueEmail(db, Date.now())));
    await eventually(async () => expect((await breaker.inspect()).retryAfterMs).toBe(0));
    expect(await consume(ids)).toBe(10);
    const timelines = await Promise.all(ids.map((id) => eventTypes(db, id)));
    expect(timelines.filter((types) => types.includes("sending"))).toHaveLength(1);
    expect(timelines.filter((types) => types.length === 1)).toHaveLength(9);
    await eventually(async () => expect((await breaker.inspect()).state).toBe("OPEN"));
  });

  it("is claimed whole if the breaker cannot be reached: a helper stops no email", async () => {
    const gone = () => Promise.reject(new Error("Durable Object is overloaded."));
    bindings = {
      ...bindings,
      CIRCUIT_BREAKER: {
        getByName: () => ({ sync: gone, endProbe: gone }),
      } as unknown as ConsumerEnv["CIRCUIT_BREAKER"],
    };
    const ids = await Promise.all(Array.from({ length: 3 }, () => queueEmail(db, Date.now())));
    await consume(ids);
    for (const id of ids)
      expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "queued"]);
  });

  it("is acknowledged if the emails cannot be postponed: the sweeper notifies of them", async () => {
    await breaker.forceOpen({ actor: "ada", reason: "maintenance", until: Date.now() + 20_000 });
    const id = await queueEmail(db, Date.now());
    bindings = { ...bindings, EMAIL_QUEUE: fakeQueue(true).queue };
    expect(await consume([id])).toBe(1);
    expect((await emailRow(db, id)).status).toBe("queued");
  });
});

describe("with two transports", () => {
  const at = (name: string) => bindings.CIRCUIT_BREAKER.getByName(name);
  const pin = (id: string) =>
    db
      .prepare(
        `UPDATE emails SET status = 'pinned', transport = 'resend', pinned_until = ?2
         WHERE id = ?1`,
      )
      .bind(id, Date.now() + 3_600_000)
      .run();
  beforeEach(() => {
    bindings = {
      ...bindings,
      EMAIL_TRANSPORTS: "smtp,resend",
      RESEND_API_KEY: "re_x",
      RESEND_BASE_URL: "http://127.0.0.1:9",
    };
  });

  it("emails pinned to the one that is down stay, and do not keep the other from its probe", async () => {
    await at("email:resend").forceOpen({
      actor: "ada",
      reason: "down",
      until: Date.now() + 120_000,
    });
    await at("email:smtp").forceOpen({ actor: "ada", reason: "down", until: Date.now() + 1_000 });
    const pinned = await Promise.all(
      Array.from({ length: 30 }, () => queueEmail(db, Date.now() - 10_000)),
    );
    for (const id of pinned) await pin(id);
    const free = await queueEmail(db, Date.now() - 1_000);
    await eventually(async () => expect((await at("email:smtp").inspect()).retryAfterMs).toBe(0));
    const consumedAt = Date.now();
    await consume([...pinned, free]);
    expect(await eventTypes(db, free)).toContain("sending");
    for (const id of pinned) expect(await eventTypes(db, id)).toEqual(["queued"]);
    expect((await emailRow(db, pinned[0] ?? "")).due_at).toBeGreaterThan(consumedAt);
  });

  it("notifications are retried if D1 answers neither the claim nor the postponement", async () => {
    await at("email:resend").forceOpen({
      actor: "ada",
      reason: "down",
      until: Date.now() + 120_000,
    });
    await at("email:smtp").forceOpen({ actor: "ada", reason: "down", until: Date.now() + 120_000 });
    vi.spyOn(console, "error").mockReturnValue();
    const id = await queueEmail(db, Date.now());
    bindings = {
      ...bindings,
      DB: {
        prepare: db.prepare.bind(db),
        batch: () => Promise.reject(new Error("D1 is down")),
      } as unknown as D1Database,
    };
    expect(await consume([id])).toBe(0);
    vi.restoreAllMocks();
  });
});

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { claimAdmitted } from "../../shared/email/delivery/claim-admitted.ts";
import { deliverClaim } from "../../shared/email/delivery/deliver.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import type { NamedSender } from "../../shared/email/rules/senders.ts";
import type { TransportName } from "../../shared/email/rules/transports.ts";
import { deleteStoredSender, insertTrusted, saveSender } from "../../shared/email/sql/senders.ts";
import { acceptEach } from "../../shared/email/sql/submissions.ts";
import type { GuardedTransport, OutgoingEmail } from "../../shared/email/transports/transport.ts";
import {
  accepted,
  detail,
  emailRow,
  eventTypes,
  fakeQueue,
  fakeTransport,
  notification,
  refused,
  waitLimits,
} from "../support/emails.ts";

/** Emails of senders that name an order of transports, on a real D1. */

const db = env.DB;
const start = 1_700_000_000_000;
const reject = { admission: () => ({ do: "reject" as const, retryAfterMs: 30_000 }) };

let now = start;
let handOvers: [TransportName, string][] = [];
let next = 0;

beforeEach(async () => {
  [now, handOvers] = [start, []];
  await db.batch(
    ["emails", "senders", "transport_pace"].map((table) => db.prepare(`DELETE FROM ${table}`)),
  );
});

function transport(
  name: TransportName,
  answer: (email: OutgoingEmail) => Outcome = () => accepted,
  changes: Partial<GuardedTransport> = {},
): GuardedTransport {
  const send = async (email: OutgoingEmail): Promise<Outcome> => {
    handOvers.push([name, email.from.address]);
    return answer(email);
  };
  return fakeTransport(send, { name, ...changes });
}

async function sender(order: TransportName[]): Promise<string> {
  const id = `snd_${(next += 1)}`;
  const identity = "acme.example";
  await insertTrusted(db, { id, identity, tenant: "", name: "Acme", transportOrder: order }, now);
  return id;
}

/** An email that names the sender. */
async function accept(named: NamedSender | null = ofAcme): Promise<string> {
  const id = `ordered-${(next += 1)}`;
  const from = named === null ? "Luna <hello@luna.example>" : named.address;
  const email = { id, tenant: "admin", from, to: "ada@example.com", subject: "Hi", text: "Hi" };
  const submitted = { ...email, onUnknown: "hold" as const, key: null, named };
  expect(await acceptEach(db, [submitted], now, [])).toEqual([{ tag: "accepted" }]);
  return id;
}
const ofAcme = { name: "", address: "a@acme.example", domain: "acme.example" };

async function deliver(ids: string[], transports: GuardedTransport[]): Promise<void> {
  const delivery = {
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
    sleep: async () => undefined,
  };
  const token = `2:token-${(next += 1)}`;
  const claim = await claimAdmitted(
    delivery,
    ids.map((id) => notification(id)),
    token,
  );
  if (claim !== null) await deliverClaim(delivery, token, claim);
}

const dueAgain = async (id: string): Promise<void> => {
  now = (await emailRow(db, id)).due_at;
};

describe("an email whose sender names an order of transports", () => {
  it("goes by that order, and others as configured", async () => {
    await sender(["resend", "smtp"]);
    await deliver([await accept(), await accept(null)], [transport("smtp"), transport("resend")]);
    expect(handOvers.toSorted()).toEqual([
      ["resend", "a@acme.example"],
      ["smtp", "hello@luna.example"],
    ]);
  });

  it("fails over within its order, and to no other transport", async () => {
    await sender(["resend", "cloudflare"]);
    const id = await accept();
    const all = [transport("smtp"), transport("cloudflare", () => refused)];
    await deliver([id], [...all, transport("resend", () => refused)]);
    expect(handOvers.map(([name]) => name)).toEqual(["resend", "cloudflare"]);
    expect(await emailRow(db, id)).toMatchObject({ status: "queued", attempts: 1 });
  });

  it("is not claimed while they take none: it waits, writes no event and uses up no attempt", async () => {
    await sender(["resend"]);
    const [id, other] = [await accept(), await accept(null)];
    await deliver([id, other], [transport("smtp"), transport("resend", undefined, reject)]);
    expect(await emailRow(db, other)).toMatchObject({ status: "sent" });
    expect(await emailRow(db, id)).toMatchObject({
      status: "queued",
      attempts: 0,
      due_at: start + 30_000,
      wait_class: "server",
      waiting_since: start,
    });
    expect(await eventTypes(db, id)).toEqual(["queued"]);
    await dueAgain(id);
    await deliver([id], [transport("smtp"), transport("resend")]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", transport: "resend" });
  });

  it("waits for the first of its own transports, and not for the first of all", async () => {
    await sender(["resend", "cloudflare"]);
    const [id, pinned, other] = [await accept(), await accept(), await accept(null)];
    await db
      .prepare(
        `UPDATE emails SET status = 'pinned', transport = 'cloudflare', pinned_until = ?2
         WHERE id = ?1`,
      )
      .bind(pinned, start + 3_600_000)
      .run();
    const rejects = (retryAfterMs: number): Partial<GuardedTransport> => ({
      admission: () => ({ do: "reject", retryAfterMs }),
    });
    await deliver(
      [id, pinned, other],
      [
        transport("smtp", undefined, rejects(5_000)),
        transport("resend", undefined, rejects(30_000)),
        transport("cloudflare", undefined, rejects(50_000)),
      ],
    );
    const waits = await Promise.all(
      [id, pinned, other].map(async (one) => (await emailRow(db, one)).due_at - start),
    );
    expect(waits).toEqual([30_000, 50_000, 5_000]);
    const error = await db
      .prepare("SELECT last_error ->> 'transport' AS t FROM emails WHERE id = ?1")
      .bind(id)
      .first("t");
    expect(error).toBe("resend");
    expect(await eventTypes(db, id)).toEqual(["queued"]);
  });

  it("goes by the order that its sender has by now, and by the former one once that is deleted", async () => {
    const senderId = await sender(["resend"]);
    const [changed, deleted] = [await accept(), await accept()];
    await saveSender(db, senderId, { transportOrder: ["smtp"] }, now);
    await deliver([changed], [transport("smtp"), transport("resend")]);
    await deleteStoredSender(db, { id: senderId, tenant: null });
    await deliver([deleted], [transport("smtp"), transport("resend")]);
    expect(handOvers.map(([name]) => name)).toEqual(["smtp", "resend"]);
  });

  it("waits where none of them is configured, until its sender names another", async () => {
    const senderId = await sender(["cloudflare"]);
    const id = await accept();
    await deliver([id], [transport("smtp")]);
    expect(await emailRow(db, id)).toMatchObject({
      status: "queued",
      attempts: 0,
      due_at: start + 3_600_000,
      wait_class: "server",
    });
    expect(handOvers).toEqual([]);
    await saveSender(db, senderId, { transportOrder: null }, now);
    await dueAgain(id);
    await deliver([id], [transport("smtp")]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("stays with the transport that may have it, also if its sender names others later", async () => {
    const senderId = await sender(["resend"]);
    const id = await accept();
    const unclear = (): Outcome => ({ kind: "unknown", detail });
    await deliver([id], [transport("smtp"), transport("resend", unclear)]);
    expect(await emailRow(db, id)).toMatchObject({ status: "pinned", transport: "resend" });
    await saveSender(db, senderId, { transportOrder: ["smtp"] }, now);
    await dueAgain(id);
    await deliver([id], [transport("smtp"), transport("resend", undefined, reject)]);
    expect(await emailRow(db, id)).toMatchObject({ status: "pinned" });
    await dueAgain(id);
    await deliver([id], [transport("smtp"), transport("resend")]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", transport: "resend" });
    expect(handOvers.map(([name]) => name)).toEqual(["resend", "resend"]);
  });

  it("is left to this release, since the one before would not obey the order", async () => {
    const formatOf = async (id: string) =>
      await db.prepare("SELECT format FROM emails WHERE id = ?1").bind(id).first("format");
    await sender(["smtp"]);
    expect(await formatOf(await accept())).toBe(4);
    await db.prepare("UPDATE senders SET transport_order = '[]'").run();
    expect(await formatOf(await accept())).toBe(2);
  });
});

import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import { claim } from "../../shared/email/sql/claim.ts";
import { findEmail } from "../../shared/email/sql/emails.ts";
import {
  accepted,
  emailRow,
  eventTypes,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  waitLimits,
} from "../support/emails.ts";

const db = env.DB;

/** Delivers an email, and counts the hand-overs to a transport. */
const deliver = (...addresses: string[]) => deliverBy({ test: false }, ...addresses);

/** @param key that sent it */
async function deliverBy(
  { test }: { test: boolean },
  ...addresses: string[]
): Promise<{ id: string; handOvers: number }> {
  const now = Date.now();
  const recipients = addresses.map((address) => ({ kind: "to" as const, name: "", address }));
  const id = await queueEmail(db, now, { to: addresses[0] ?? "", recipients, test });
  const token = `token-${id}`;
  const { claimed } = await claim(db, {
    notifications: [notification(id)],
    token,
    now,
    leaseExpiresAt: now + LEASE_MS,
    open: ["smtp"],
  });
  let handOvers = 0;
  const send = async () => {
    handOvers += 1;
    return accepted;
  };
  await deliverClaimed(
    {
      db,
      queue: fakeQueue().queue,
      deadLetterQueue: fakeQueue().queue,
      transports: [fakeTransport(send), fakeTransport(send, { name: "resend" })],
      policy: { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 },
      waitLimits,
      clock: Date.now,
      random: () => 0.5,
      sleep: async () => undefined,
      unsubscribe: null,
      emailIdHeader: "X-Luna-Email",
    },
    token,
    claimed,
  );
  return { id, handOvers };
}

it.each(["delivered", "bounced", "complained"])(
  "an email to %s@luna.test ends as that, and no transport is asked",
  async (end) => {
    const { id, handOvers } = await deliver(`${end}+1@luna.test`);
    expect(handOvers).toBe(0);
    expect(await emailRow(db, id)).toMatchObject({ status: end, attempts: 1 });
    expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "sent", end]);
  },
);

it("an email to refused@luna.test is dead after one attempt, by one transport", async () => {
  const { id, handOvers } = await deliver("refused@luna.test");
  expect(handOvers).toBe(0);
  expect(await emailRow(db, id)).toMatchObject({
    status: "dead",
    dead_reason: "permanent",
    attempts: 1,
  });
  expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "sending", "dead"]);
});

it("each of several recipients of tests ends as its name states", async () => {
  const ends = ["delivered", "bounced", "complained", "refused"];
  const { id } = await deliver(...ends.map((end) => `${end}@luna.test`));
  const found = await findEmail(db, id, false);
  expect(found?.email.recipients.map(({ state }) => state)).toEqual(ends);
});

it("no recipient of tests is suppressed, so that a test can be repeated", async () => {
  await deliver("refused@luna.test");
  await deliver("bounced@luna.test");
  await deliver("complained@luna.test");
  expect((await db.prepare("SELECT * FROM suppressions").all()).results).toEqual([]);
});

it("many recipients of tests cost a batch no more trips to D1", async () => {
  const addresses = Array.from({ length: 50 }, (_, n) => `delivered+${n}@luna.test`);
  const batch = vi.spyOn(db, "batch");
  await deliver(...addresses);
  // The email itself, the claim, the marks, the record, and how the tests end.
  expect(batch.mock.calls.length).toBeLessThanOrEqual(5);
  batch.mockRestore();
});

it("an email by a key for tests ends as delivered for each address, and no transport is asked", async () => {
  const one = await deliverBy({ test: true }, "ada@example.com");
  expect(one.handOvers).toBe(0);
  expect(await emailRow(db, one.id)).toMatchObject({ status: "delivered", attempts: 1 });
  const several = await deliverBy({ test: true }, "ada@example.com", "grace@example.com");
  expect(several.handOvers).toBe(0);
  const found = await findEmail(db, several.id, false);
  expect(found?.email.recipients.map(({ state }) => state)).toEqual(["delivered", "delivered"]);
  const bounced = await deliverBy({ test: true }, "bounced@luna.test");
  expect(await emailRow(db, bounced.id)).toMatchObject({ status: "bounced" });
});

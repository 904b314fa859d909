import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { claimAdmitted } from "../../shared/email/delivery/claim-admitted.ts";
import { deliverClaim } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import type { Delivery } from "../../shared/email/delivery/ports.ts";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import { runSweep } from "../../shared/email/sweep.ts";
import {
  accepted,
  emailRow,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  refused,
  waitLimits,
} from "../support/emails.ts";
import { fillDatabase, forgetSizes, makeRoom } from "../support/full-database.ts";

/** A real D1 that is full when emails are claimed or handed over. */

const db = env.DB;
const policy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
let now = Date.now();
let sent: string[] = [];
let slept: number[] = [];

beforeEach(async () => {
  now = Date.now();
  sent = [];
  slept = [];
  vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(console, "warn").mockReturnValue();
  await db.prepare("DELETE FROM emails").run();
});
afterEach(async () => {
  await forgetSizes(db);
  vi.restoreAllMocks();
});

const deliveryWith = (send: () => Promise<Outcome>): Delivery => ({
  db,
  queue: fakeQueue().queue,
  deadLetterQueue: fakeQueue().queue,
  transports: [
    fakeTransport(async ({ id }) => {
      sent.push(id);
      return await send();
    }),
  ],
  policy,
  waitLimits,
  clock: () => now,
  random: () => 0.5,
  sleep: async (ms) => void slept.push(ms),
  unsubscribe: null,
  emailIdHeader: "X-Luna-Email",
});

async function deliver(delivery: Delivery, ids: string[]): Promise<"again" | "done"> {
  const token = `2:${crypto.randomUUID()}`;
  const notifications = ids.map((id) => notification(id));
  const claim = await claimAdmitted(delivery, notifications, token);
  if (claim === null) return "again";
  await deliverClaim(delivery, token, claim);
  return "done";
}

const sweep = () =>
  runSweep(
    {
      db,
      queue: fakeQueue().queue,
      deadLetterQueue: fakeQueue().queue,
      policy,
      waitLimits,
      everything: false,
    },
    now,
    () => 0.5,
  );

it.each([
  ["sent", accepted],
  ["queued", refused],
])("an outcome of a full D1 is recorded, not unknown: %s", async (status, outcome) => {
  const id = await queueEmail(db, now);
  const delivery = deliveryWith(async () => {
    await fillDatabase(db);
    return outcome;
  });
  expect(await deliver(delivery, [id])).toBe("done");
  expect(slept, "it waits for no repeat").toEqual([]);
  expect(await emailRow(db, id)).toMatchObject({ status });
  now += 10 * LEASE_MS;
  await makeRoom(db);
  await sweep();
  expect(await emailRow(db, id)).toMatchObject({ status });
});

it("no email is lost or sent twice by a D1 that fills up among many", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 12; n += 1) ids.push(await queueEmail(db, now));
  let calls = 0;
  const delivery = deliveryWith(async () => {
    calls += 1;
    if (calls === 7) await fillDatabase(db);
    return accepted;
  });
  const other = await queueEmail(db, now);
  await deliver(delivery, ids);
  expect(sent.length).toBeLessThan(12);
  expect(await deliver(delivery, [other]), "its notification comes again").toBe("again");
  await makeRoom(db);
  now += 10 * LEASE_MS;
  await sweep();
  const all = [...ids, other];
  expect(await deliver(delivery, all)).toBe("done");
  expect(sent.toSorted()).toEqual(all.toSorted());
  for (const id of all) expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
});

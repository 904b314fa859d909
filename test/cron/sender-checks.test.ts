import { env } from "cloudflare:workers";
import { beforeEach, expect, it, vi } from "vitest";
import { fakeQueue } from "../support/emails.ts";
import { runTask } from "../support/run-task.ts";

/** The daily check of verified domains, on a real D1. */

const db = env.DB;
const DAY_MS = 86_400_000;

/** The TXT records of each name; "down": the resolver does not answer. */
let dns: Record<string, string[]> | "down" = {};
let queue = fakeQueue();

beforeEach(async () => {
  dns = {};
  queue = fakeQueue();
  for (const table of ["senders", "users", "emails"]) await db.exec(`DELETE FROM ${table}`);
  vi.spyOn(console, "warn").mockReturnValue();
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    if (dns === "down") throw new TypeError("Network connection lost.");
    const { searchParams } = new URL(input instanceof Request ? input.url : input);
    const found = dns[searchParams.get("name") ?? ""] ?? [];
    return Response.json({ Status: 0, Answer: found.map((data) => ({ type: 16, data })) });
  });
  return () => void vi.restoreAllMocks();
});

const run = (changes = {}) => runTask("check-senders", { EMAIL_QUEUE: queue.queue, ...changes });

async function verified(name: string): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO users (user_id, email, tier, created_at, updated_at)
         VALUES (?1, ?1 || '@example.com', 'pro', 1, 1)`,
      )
      .bind(name),
    db
      .prepare(
        `INSERT INTO senders (id, identity, tenant, challenge, checked_at, verified_at,
           verified_by, created_at, updated_at)
         VALUES ('snd_' || ?1, ?1 || '.example', 'user:' || ?1, 'proof-' || ?1,
           ?2, 1, 'dns', 1, 1)`,
      )
      .bind(name, Date.now() - DAY_MS),
  ]);
  if (dns !== "down") dns[`_sender-verification.${name}.example`] = [`proof-${name}`];
}
const gone = (name: string) => ({ [`_sender-verification.${name}.example`]: ["v=spf1 -all"] });
/** Lets so many days pass for the domains. */
const later = async (days: number) =>
  await db
    .prepare("UPDATE senders SET checked_at = checked_at - ?1, missing_since = missing_since - ?1")
    .bind(days * DAY_MS)
    .run();
const isVerified = async (name: string): Promise<boolean> =>
  (await db
    .prepare("SELECT verified_at IS NOT NULL AS v FROM senders WHERE id = 'snd_' || ?1")
    .bind(name)
    .first("v")) === 1;
const emails = async () =>
  (await db.prepare("SELECT to_address, subject, tenant, status FROM emails").all()).results;

it("a domain is looked up each day, and stays verified while its record is there", async () => {
  await verified("ada");
  expect(await run()).toEqual({ checked: 1, unverified: 0, left: 0, late: 0 });
  expect(await run()).toMatchObject({ checked: 0 });
  await later(1);
  expect(await run()).toMatchObject({ checked: 1 });
  expect(await isVerified("ada")).toBe(true);
});

it("a record that is gone for three days ends the proof, and its user gets one email", async () => {
  await verified("ada");
  await verified("bob");
  dns = { ...(dns === "down" ? {} : dns), ...gone("ada") };
  for (let day = 0; day < 3; day += 1) {
    expect(await run()).toMatchObject({ checked: 2, unverified: 0 });
    expect(await isVerified("ada")).toBe(true);
    await later(1);
  }
  expect(await run()).toMatchObject({ checked: 2, unverified: 1 });
  expect([await isVerified("ada"), await isVerified("bob")]).toEqual([false, true]);
  expect(await emails()).toEqual([
    {
      to_address: "ada@example.com",
      subject: "ada.example is no longer verified as a sender",
      tenant: "system",
      status: "queued",
    },
  ]);
  expect(queue.sent).toHaveLength(1);
  await later(1);
  expect(await run()).toMatchObject({ checked: 1, unverified: 0 });
  expect(await emails()).toHaveLength(1);
});

it("a record that comes back in time counts as never gone", async () => {
  await verified("ada");
  const there = dns;
  for (const [answer, days] of [
    [gone("ada"), 2],
    [there, 2],
    [gone("ada"), 2],
  ] as const) {
    dns = answer;
    await run();
    await later(days);
  }
  dns = gone("ada");
  expect(await run()).toMatchObject({ unverified: 0 });
  expect(await isVerified("ada")).toBe(true);
});

it("a DNS that does not answer ends nothing, and is asked again after an hour", async () => {
  await verified("ada");
  dns = gone("ada");
  await run();
  await later(10);
  dns = "down";
  expect(await run()).toMatchObject({ checked: 1, unverified: 0 });
  expect(await isVerified("ada")).toBe(true);
  expect(await run()).toMatchObject({ checked: 0 });
  await later(1 / 24);
  expect(await run()).toMatchObject({ checked: 1 });
});

it("without the automatic email the proof ends all the same", async () => {
  await verified("ada");
  dns = gone("ada");
  await run();
  await later(3);
  await run({ AUTOMATIC_EMAILS_OFF: "sender-unverified" });
  expect(await isVerified("ada")).toBe(false);
  expect(await emails()).toEqual([]);
});

it("an address that was verified by a link, and a sender of an operator, are not looked up", async () => {
  await verified("ada");
  await db.exec("UPDATE senders SET verified_by = 'link'");
  expect(await run()).toMatchObject({ checked: 0 });
  await db.exec("UPDATE senders SET verified_by = 'operator'");
  expect(await run()).toMatchObject({ checked: 0 });
});

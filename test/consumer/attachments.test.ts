import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { deliverClaimed } from "../../shared/email/delivery/deliver.ts";
import { LEASE_MS } from "../../shared/email/delivery/lease.ts";
import { objectKey } from "../../shared/email/rules/file.ts";
import type { WaitLimits } from "../../shared/email/rules/waits.ts";
import { claim, postpone } from "../../shared/email/sql/claim.ts";
import { acceptEach } from "../../shared/email/sql/submissions.ts";
import { runSweep } from "../../shared/email/sweep.ts";
import { isFile, type GuardedTransport } from "../../shared/email/transports/transport.ts";
import {
  accepted,
  emailRow,
  eventTypes,
  fakeQueue,
  fakeTransport,
  notification,
  queueEmail,
  refusedForGood,
  waitLimits,
} from "../support/emails.ts";

/** Emails with uploaded files, through claim and delivery on a real D1 and R2. */

const db = env.DB;
const start = 1_700_000_000_000;
const MIB = 1_048_576;
const policy = { maxRetries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000 };
let now = start;
let next = 0;

beforeEach(async () => {
  now = start;
  vi.spyOn(console, "warn").mockReturnValue();
  for (const table of ["emails", "attachments"]) await db.exec(`DELETE FROM ${table}`);
});

const bucket = (): R2Bucket => {
  if (env.ATTACHMENTS === undefined) throw new Error("no bucket is bound");
  return env.ATTACHMENTS;
};

/** An email with a file of so many bytes. */
async function queueWith(sizeBytes: number, extra: { id: string }[] = []): Promise<string> {
  next += 1;
  const file = { id: `file-${next}`, createdAt: start };
  await bucket().put(objectKey(file), new Uint8Array(sizeBytes).fill(next));
  await db
    .prepare(
      `INSERT INTO attachments
         (id, tenant, status, filename, content_type, size_bytes, created_at, expires_at)
       VALUES (?1, 'admin', 'stored', 'a.bin', 'image/png', ?2, ?3, ?3)`,
    )
    .bind(file.id, sizeBytes, start)
    .run();
  const attachments = [{ id: file.id }, ...extra];
  const email = {
    id: `with-${next}`,
    tenant: "admin",
    from: "Luna <hello@luna.example>",
    to: "ada@example.com",
    subject: "Hi",
    text: "Hi",
    onUnknown: "hold" as const,
    recipients: [{ kind: "to" as const, name: "", address: "ada@example.com" }],
    attachments,
    files: { tenant: "admin", ids: attachments.map(({ id }) => id), roomBytes: 25 * MIB },
    key: null,
  };
  expect(await acceptEach(db, [email], now, [])).toEqual([{ tag: "accepted" }]);
  return email.id;
}

type Seen = { id: string; sizes: number[]; leaseMs: number };

/** @param given `limits` of waits; `bucket`: null for none */
async function deliver(
  ids: string[],
  given: {
    transports?: GuardedTransport[];
    limits?: WaitLimits;
    bucket?: R2Bucket | null;
  } = {},
): Promise<Seen[]> {
  const seen: Seen[] = [];
  const token = `2:${now}`;
  const { claimed } = await claim(db, {
    notifications: ids.map((id) => notification(id, 1)),
    token,
    now,
    leaseExpiresAt: now + LEASE_MS,
    open: ["smtp", "resend", "cloudflare"],
  });
  const queue = fakeQueue();
  const smtp = fakeTransport(async ({ id, attachments }) => {
    const row = await db
      .prepare("SELECT lease_expires_at AS at FROM emails WHERE id = ?1")
      .bind(id)
      .first<number>("at");
    const sizes = attachments.map((one) => (isFile(one) ? one.bytes.byteLength : -1));
    seen.push({ id, sizes, leaseMs: (row ?? 0) - now });
    return accepted;
  });
  await deliverClaimed(
    {
      db,
      queue: queue.queue,
      deadLetterQueue: queue.queue,
      policy,
      waitLimits: given.limits ?? waitLimits,
      bucket: given.bucket === null ? undefined : (given.bucket ?? bucket()),
      clock: () => now,
      random: () => 0.5,
      sleep: async () => undefined,
      unsubscribe: null,
      emailIdHeader: "X-Luna-Email",
      transports: given.transports ?? [smtp],
    },
    token,
    claimed,
  );
  return seen;
}

const refusing = { get: () => Promise.reject(new Error("get: internal error")) };
const failing = refusing as unknown as R2Bucket;

describe("a hand-over with uploaded files", () => {
  it("has their bytes, under the name and type of the upload", async () => {
    const id = await queueWith(1_000);
    const [email] = await deliver([id]);
    expect(email).toMatchObject({ id, sizes: [1_000] });
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 1 });
  });

  it("has a lease for its size, from the moment at which it begins", async () => {
    const ids = [await queueWith(10), await queueWith(5_000_000)];
    const seen = await deliver(ids);
    expect(seen.map(({ leaseMs }) => leaseMs)).toEqual([100_000, 100_000]);
  });

  it("is not handed over twice when its claim runs out behind large ones", async () => {
    const large = [await queueWith(17 * MIB), await queueWith(17 * MIB), await queueWith(17 * MIB)];
    const all = [...large, await queueWith(10)];
    const sent: string[] = [];
    const transport = fakeTransport(async ({ id }) => {
      sent.push(id);
      now += 25_000;
      const queue = fakeQueue().queue;
      const what = { db, queue, deadLetterQueue: queue, policy, waitLimits, everything: false };
      if (sent.length === 3) await runSweep(what, now - 10_000, () => 0.5);
      return accepted;
    });
    await deliver(all, { transports: [transport] });
    expect(sent.toSorted()).toEqual(all.toSorted());
    for (const id of all) expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("does not keep a known outcome of others waiting for R2", async () => {
    const plain: string[] = [];
    for (let n = 0; n < 5; n += 1) plain.push(await queueEmail(db, start - 1));
    const id = await queueWith(10);
    let found: string[] = [];
    const get = async (key: string) => {
      found = await Promise.all(plain.map(async (one) => (await emailRow(db, one)).status));
      return await bucket().get(key);
    };
    await deliver([...plain, id], { bucket: { get } as unknown as R2Bucket });
    expect(found).toEqual(plain.map(() => "sent"));
    expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("whose files come too slowly together waits for R2, and uses up no attempt", async () => {
    const id = await queueWith(10);
    const slow = {
      get: async (key: string) => {
        now += 21_000;
        return await bucket().get(key);
      },
    };
    const first = await queueWith(10);
    await deliver([first, id], { bucket: slow as unknown as R2Bucket });
    expect(await emailRow(db, id)).toMatchObject({
      status: "queued",
      attempts: 0,
      wait_class: "server",
    });
  });

  it("of more than 16 MiB goes with no other that has files", async () => {
    const ids = [await queueWith(10), await queueWith(17 * MIB), await queueWith(10)];
    const most: number[] = [];
    let running = 0;
    const transport = fakeTransport(async () => {
      most.push((running += 1));
      await new Promise((resolve) => setTimeout(resolve, 0));
      running -= 1;
      return accepted;
    });
    await deliver(ids, { transports: [transport] });
    expect(most).toEqual([1, 2, 1]);
    for (const id of ids) expect(await emailRow(db, id)).toMatchObject({ status: "sent" });
  });

  it("waits without an attempt while another batch of the isolate holds too much", async () => {
    const [first, second] = [await queueWith(10 * MIB), await queueWith(10 * MIB)];
    let seen: Seen[] = [];
    const transport = fakeTransport(async () => {
      seen = await deliver([second]);
      return accepted;
    });
    await deliver([first], { transports: [transport] });
    expect(await emailRow(db, first)).toMatchObject({ status: "sent" });
    expect(seen).toEqual([]);
    expect(await emailRow(db, second)).toMatchObject({
      status: "queued",
      attempts: 0,
      waits: 0,
      due_at: start + 2_000,
    });
    now += 2_000;
    expect(await deliver([second])).toMatchObject([{ id: second, sizes: [10 * MIB] }]);
  });

  it("waits for a transport that takes its size while none takes emails", async () => {
    const [large, small] = [await queueWith(6 * MIB), await queueWith(1)];
    const waits = [
      { name: "cloudflare", until: now + 1_000, maxBytes: 3 * MIB },
      { name: "smtp", until: now + 30_000, maxBytes: 25 * MIB },
    ] as const;
    await postpone(db, {
      notifications: [notification(large), notification(small)],
      now,
      until: now + 1_000,
      detail: "{}",
      waits: waits.map((one) => ({ ...one, detail: "{}", limited: one.name === "smtp" })),
    });
    expect(await emailRow(db, large)).toMatchObject({ due_at: now + 30_000, wait_class: "rate" });
    expect(await emailRow(db, small)).toMatchObject({ due_at: now + 1_000, wait_class: "server" });
  });

  it("of a batch that was cancelled holds up others for no longer than it could run", async () => {
    const [first, second] = [await queueWith(10 * MIB), await queueWith(10 * MIB)];
    const { promise, resolve } = Promise.withResolvers<typeof accepted>();
    const begun = Promise.withResolvers<void>();
    const transport = fakeTransport(() => {
      begun.resolve();
      return promise;
    });
    const cancelled = deliver([first], { transports: [transport] });
    await begun.promise;
    now += 2_000;
    expect(await deliver([second])).toEqual([]);
    now += 15 * 60_000;
    expect(await deliver([second])).toMatchObject([{ id: second, sizes: [10 * MIB] }]);
    resolve(accepted);
    await cancelled;
  });

  it("goes on to the next transport with the same bytes, read once", async () => {
    const id = await queueWith(1_000);
    const get = vi.spyOn(bucket(), "get");
    const sizes: number[] = [];
    const taking = (name: "smtp" | "resend", outcome: typeof accepted) =>
      fakeTransport(
        async ({ attachments: [one] }) => {
          sizes.push(one !== undefined && isFile(one) ? one.bytes.byteLength : -1);
          return outcome;
        },
        { name },
      );
    const transports = [taking("smtp", refusedForGood), taking("resend", accepted)];
    await deliver([id], { transports });
    expect(sizes).toEqual([1_000, 1_000]);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", transport: "resend" });
    expect(get).toHaveBeenCalledTimes(1);
    get.mockRestore();
  });

  it("goes past a transport that does not take its size", async () => {
    const id = await queueWith(6 * MIB);
    const cloudflare = vi.fn<GuardedTransport["send"]>(async () => accepted);
    await deliver([id], {
      transports: [
        fakeTransport(cloudflare, { name: "cloudflare" }),
        fakeTransport(async () => accepted),
      ],
    });
    expect(cloudflare).not.toHaveBeenCalled();
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", transport: "smtp" });
  });
});

describe("while R2 cannot be read an email", () => {
  it.each([
    ["refuses", failing],
    ["does not have the file", { get: async () => null } as unknown as R2Bucket],
    ["is not bound", null],
  ])("waits without an attempt if it %s, and leaves once it can", async (_, broken) => {
    const [id, plain] = [await queueWith(1_000), await queueWith(10)];
    expect(await deliver([id], { bucket: broken })).toEqual([]);
    expect(await emailRow(db, id)).toMatchObject({
      status: "queued",
      attempts: 0,
      wait_class: "server",
      waits: 1,
      waiting_since: start,
      due_at: start + 1_000,
    });
    expect(await eventTypes(db, id)).toEqual(["queued", "claimed", "queued"]);
    now += 10_000;
    expect((await deliver([id, plain])).length).toBe(2);
    expect(await emailRow(db, id)).toMatchObject({ status: "sent", attempts: 1 });
  });

  it("is dead after the longest wait, as after any other", async () => {
    const id = await queueWith(1_000);
    now += waitLimits.maxWaitMs;
    await deliver([id], { bucket: failing });
    expect(await emailRow(db, id)).toMatchObject({ status: "dead", dead_reason: "server" });
  });

  it("without a longest wait has its three retries", async () => {
    const id = await queueWith(1_000);
    const limits = { retryWindowMs: 0, maxWaitMs: 0 };
    const statuses: unknown[] = [];
    for (let attempt = 0; attempt < 4; attempt += 1) {
      await deliver([id], { bucket: failing, limits });
      statuses.push((await emailRow(db, id)).status);
      now += 60_000;
    }
    expect(statuses).toEqual(["queued", "queued", "queued", "dead"]);
    expect(await emailRow(db, id)).toMatchObject({ dead_reason: "exhausted" });
  });

  it("holds up no other email of its batch", async () => {
    const [broken, whole] = [await queueWith(1_000), await queueWith(10)];
    await bucket().delete(objectKey({ id: `file-${next - 1}`, createdAt: start }));
    expect((await deliver([broken, whole])).map(({ id }) => id)).toEqual([whole]);
  });
});

it("the release before claims no email that names files", async () => {
  const id = await queueWith(10);
  expect(await db.prepare("SELECT format FROM emails WHERE id = ?1").bind(id).first("format")).toBe(
    4,
  );
});

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CountedPlatform } from "../support/counted-platform.ts";
import { losingReplies } from "../support/lossy-database.ts";
import { abortedAfter, runTask } from "../support/run-task.ts";

const db = env.DB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const noon = Date.parse("2026-11-30T12:00:00Z");
const run = (changes?: Parameters<typeof runTask>[1], signal?: AbortSignal) =>
  runTask("count-emails", changes, signal);

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: noon });
  const tables = ["email_counts", "email_count_days", "emails"];
  await db.batch(tables.map((table) => db.prepare(`DELETE FROM ${table}`)));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** So many emails of a tenant, all accepted at that time. */
const accept = (
  emails: number,
  { tenant = "admin", status = "sent", at = noon, tags = "[]", transport = "smtp" } = {},
) =>
  db
    .prepare(
      `INSERT INTO emails (id, tenant, format, generation_at, status, from_address, to_address,
         subject, due_at, ring_after, created_at, updated_at, tags, transport)
       WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
       SELECT lower(hex(randomblob(16))), ?2, 2, 0, ?3, 'Luna <hello@luna.example>', 'x@y.zz',
         'Hi', 0, 0, ?4, 0, ?5, ?6 FROM numbers`,
    )
    .bind(emails, tenant, status, at, tags, transport)
    .run();

/** `<tenant> <kind> <day> <name>` with the counts that are not 0. */
async function counts(where = "TRUE"): Promise<Record<string, object>> {
  const { results } = await db
    .prepare(`SELECT * FROM email_counts WHERE ${where} ORDER BY tenant, kind, day, name`)
    .all<Record<string, string | number>>();
  return Object.fromEntries(
    results.map(({ tenant, kind, day, name, ...numbers }) => [
      [tenant === "" ? "all" : tenant, kind, day, name].join(" ").trim(),
      Object.fromEntries(Object.entries(numbers).filter(([, n]) => n !== 0)),
    ]),
  );
}
const total = async (tenant: string, day: string) =>
  await db
    .prepare("SELECT sent FROM email_counts WHERE tenant = ?1 AND kind = 'day' AND day = ?2")
    .bind(tenant, day)
    .first("sent");

describe("count-emails", () => {
  it("counts the emails of each day by tag, sender and transport, by tenant and for all", async () => {
    await accept(2, { tags: '["welcome"]' });
    await accept(1, { tenant: "user:ada", status: "bounced", transport: "resend" });
    await accept(3, { tenant: "user:ada", at: noon - DAY_MS, status: "queued" });
    expect(await run()).toEqual({ emails: 6, days: 31, left: 0, late: 0 });
    expect(await counts("kind = 'day'")).toEqual({
      "admin day 2026-11-30": { sent: 2 },
      "all day 2026-11-29": { waiting: 3 },
      "all day 2026-11-30": { sent: 2, bounced: 1 },
      "user:ada day 2026-11-29": { waiting: 3 },
      "user:ada day 2026-11-30": { bounced: 1 },
    });
    expect(await counts("tenant = '' AND kind <> 'day' AND day = '2026-11-30'")).toEqual({
      "all sender 2026-11-30 hello@luna.example": { sent: 2, bounced: 1 },
      "all tag 2026-11-30 welcome": { sent: 2 },
      "all transport 2026-11-30 resend": { bounced: 1 },
      "all transport 2026-11-30 smtp": { sent: 2 },
    });
  });

  it("counts a day again for late outcomes, seven days after its end for the last time", async () => {
    await accept(1);
    await run();
    const become = (status: string, transport: string) =>
      db.prepare("UPDATE emails SET status = ?1, transport = ?2").bind(status, transport).run();
    const own = "tenant = 'admin' AND kind IN ('day', 'transport')";
    await become("delivered", "resend");
    vi.setSystemTime(noon + 2 * HOUR_MS);
    await run();
    expect(await counts(own)).toEqual({
      "admin day 2026-11-30": { delivered: 1 },
      "admin transport 2026-11-30 resend": { delivered: 1 },
    });
    await become("bounced", "resend");
    const end = noon + DAY_MS / 2;
    vi.setSystemTime(end + 7 * DAY_MS);
    await run();
    expect(await counts("tenant = 'admin' AND kind = 'day'")).toEqual({
      "admin day 2026-11-30": { bounced: 1 },
    });
    await become("complained", "resend");
    vi.setSystemTime(end + 20 * DAY_MS);
    await run();
    expect(await counts("tenant = 'admin' AND kind = 'day'")).toEqual({
      "admin day 2026-11-30": { bounced: 1 },
    });
  });

  it("goes on where a run was stopped, within a tenant and between tenants", async () => {
    await accept(5_000, { tenant: "user:big" });
    for (const name of ["a", "b", "z"]) await accept(900, { tenant: `user:${name}` });
    const first = await run({}, abortedAfter(1));
    expect(first).toMatchObject({ emails: 2_000, days: 0, left: 31 });
    let emails = 2_000;
    for (let runs = 0; runs < 3; runs += 1)
      emails += (await run({}, abortedAfter(1)))["emails"] ?? 0;
    emails += (await run())["emails"] ?? 0;
    expect(emails).toBe(7_700);
    expect(await total("", "2026-11-30")).toBe(7_700);
    expect(await total("user:big", "2026-11-30")).toBe(5_000);
    expect(await total("user:z", "2026-11-30")).toBe(900);
  });

  it("counts each email once although D1 loses replies and runs overlap", async () => {
    for (const name of ["a", "b", "c"]) await accept(1_500, { tenant: `user:${name}` });
    for (let lost = 1; lost < 6; lost += 1)
      await run({ DB: losingReplies(db, lost) }, abortedAfter(2)).catch(() => undefined);
    await Promise.all([run(), run()]);
    await run();
    expect(await total("", "2026-11-30")).toBe(4_500);
    expect(await total("user:b", "2026-11-30")).toBe(1_500);
  });

  it("writes only what has changed, however many emails are counted", async () => {
    for (let n = 0; n < 40; n += 1) await accept(10, { tenant: `user:${n}` });
    await run();
    await db.prepare("UPDATE emails SET status = 'bounced' WHERE tenant = 'user:7'").run();
    vi.setSystemTime(noon + 2 * HOUR_MS);
    const platform = new CountedPlatform();
    expect(await run({ DB: platform.database(db) })).toMatchObject({ emails: 400, days: 1 });
    const { d1RowsWritten, d1RowsRead } = await platform.take();
    // Three rows each of that tenant and of all together, and how far the count has come.
    expect(d1RowsWritten).toBeLessThanOrEqual(10);
    expect(d1RowsRead).toBeLessThanOrEqual(3 * 400 + 40 * 12);
  });

  it("finds the emails of a day among those of many other days and tenants", async () => {
    const platform = new CountedPlatform();
    await accept(5, { tenant: "user:b" });
    const alone = await run({ DB: platform.database(db) });
    const { d1RowsRead: read } = await platform.take();
    await accept(3_000, { tenant: "user:b", at: noon - 40 * DAY_MS });
    await accept(3_000, { tenant: "user:c", at: noon - 40 * DAY_MS });
    await db.prepare("DELETE FROM email_count_days").run();
    expect(await run({ DB: platform.database(db) })).toEqual(alone);
    expect((await platform.take()).d1RowsRead).toBeLessThanOrEqual(read + 31 * 6);
  });
});

it("counts are deleted after USAGE_RETENTION_DAYS", async () => {
  await accept(1);
  await run();
  vi.setSystemTime(noon + 399 * DAY_MS);
  expect(await runTask("prune-history")).toMatchObject({ counts: 0 });
  vi.setSystemTime(noon + 402 * DAY_MS);
  expect((await runTask("prune-history"))["counts"]).toBe(6);
  expect(await counts()).toEqual({});
});

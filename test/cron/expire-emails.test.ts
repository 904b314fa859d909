import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { previewReplay, replayDeadLetters } from "../../shared/email/replay.ts";
import { emailStatuses, overStatuses } from "../../shared/email/rules/lifecycle.ts";
import { fillDatabase, makeRoom } from "../support/full-database.ts";
import { abortedAfter, runTask } from "../support/run-task.ts";

/** The deletion of emails after their retention, on rows of a real D1. */

const db = env.DB;
const DAY_MS = 86_400_000;
const now = Date.parse("2026-11-30T12:03:00Z");
const run = (changes?: Parameters<typeof runTask>[1], signal?: AbortSignal) =>
  runTask("expire-emails", changes, signal);
const nothing = { contents: 0, emails: 0, left: 0, late: 0 };

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now });
  await db.batch([
    db.prepare("DELETE FROM emails"),
    db.prepare("DELETE FROM dead_letters"),
    db.prepare("UPDATE task_cursors SET at = 0, id = ''"),
  ]);
});
afterEach(() => {
  vi.useRealTimers();
});

/** Emails `<prefix>-1` and so on that have been in a status for some days. */
async function emails(prefix: string, status: string, days: number, count = 1): Promise<void> {
  const next = `SELECT i + 1 FROM n WHERE i < ${count}`;
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL ${next})`;
  const id = `'${prefix}-' || i`;
  const at = now - days * DAY_MS;
  const buriedAt = status === "dead" ? at : "NULL";
  await db.batch(
    [
      `INSERT INTO emails (id, tenant, format, generation_at, status, from_address, to_address,
         subject, due_at, ring_after, created_at, updated_at, buried_at)
       ${numbers} SELECT ${id}, 'admin', 2, ${at}, '${status}', 'a@b.cc', 'x@y.zz', 'Hi',
         ${at}, ${at}, ${at}, ${at}, ${buriedAt} FROM n`,
      `INSERT INTO email_contents (email_id, text) ${numbers} SELECT ${id}, 'Hi' FROM n`,
      `INSERT INTO email_recipients (email_id, n, kind, address, tenant, created_at)
       ${numbers} SELECT ${id}, 1, 'to', 'x@y.zz', 'admin', ${at} FROM n`,
      `INSERT INTO email_events (email_id, n, generation, type, at)
       ${numbers} SELECT ${id}, 1, 1, 'queued', ${at} FROM n`,
    ].map((sql) => db.prepare(sql)),
  );
}

const letter = (id: string, expiresAt: number) =>
  db
    .prepare(
      `INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at)
       VALUES (?1, 'email', 'exhausted', 4, 0, ?2)`,
    )
    .bind(id, expiresAt)
    .run();

/** Which rows each table has, by the ids of their emails. */
async function kept(): Promise<Record<string, string[]>> {
  const tables = { emails: "id", contents: "email_id", recipients: "email_id", events: "email_id" };
  const found: Record<string, string[]> = {};
  for (const [name, column] of Object.entries(tables)) {
    const table = name === "emails" ? name : `email_${name}`;
    const { results } = await db
      .prepare(`SELECT ${column} AS id FROM ${table} ORDER BY id`)
      .all<{ id: string }>();
    found[name] = results.map(({ id }) => id);
  }
  return found;
}

describe("expire-emails", () => {
  it("deletes the content 14 days after an email is over, and the email with all its rows after 90", async () => {
    await emails("new", "sent", 13.9);
    await emails("read", "delivered", 14);
    await emails("old", "sent", 90);
    expect(await run()).toEqual({ ...nothing, contents: 2, emails: 1 });
    const ids = ["new-1", "read-1"];
    expect(await kept()).toEqual({
      emails: ids,
      contents: ["new-1"],
      recipients: ids,
      events: ids,
    });
    expect(await run()).toEqual(nothing);
  });

  it("keeps an email that is not over, however old, except one that has been unknown for 180 days", async () => {
    for (const status of emailStatuses) await emails(status, status, 179);
    expect(await run()).toMatchObject({ emails: overStatuses.length + 1 });
    const pending = ["claimed", "pinned", "queued", "scheduled", "sending"].map(
      (one) => `${one}-1`,
    );
    expect((await kept())["contents"]).toEqual([...pending, "unknown-1"]);
    vi.setSystemTime(now + DAY_MS);
    expect(await run()).toEqual({ ...nothing, emails: 1 });
    vi.setSystemTime(now + 3_000 * DAY_MS);
    expect(await run()).toEqual(nothing);
    const { emails: left, contents } = await kept();
    expect([left, contents]).toEqual([pending, pending]);
  });

  it("keeps a dead email with its content as long as its dead letter, and as any other from then on", async () => {
    await emails("letter", "dead", 200);
    await letter("letter-1", now + DAY_MS);
    await emails("expired", "dead", 7 + 14);
    await emails("expiring", "dead", 7 + 13.9);
    await emails("old", "dead", 7 + 90);
    expect(await run()).toEqual({ ...nothing, contents: 2, emails: 1 });
    expect(await kept()).toMatchObject({
      emails: ["expired-1", "expiring-1", "letter-1"],
      contents: ["expiring-1", "letter-1"],
    });
    await db.prepare("DELETE FROM dead_letters").run();
    expect(await run()).toMatchObject({ emails: 1 });
    expect(await kept()).toMatchObject({ emails: ["expired-1", "expiring-1"] });
  });

  it("deletes after the days that are set, and nothing while a variable is wrong", async () => {
    await emails("old", "sent", 35);
    const wrong = [
      [{ EMAIL_RETENTION_DAYS: "29" }, "EMAIL_RETENTION_DAYS must be at least 30"],
      [{ EMAIL_CONTENT_RETENTION_DAYS: "91" }, "EMAIL_RETENTION_DAYS must be at least EMAIL_CONT"],
      [{ DLQ_RETENTION_DAYS: "15" }, "EMAIL_CONTENT_RETENTION_DAYS must be at least DLQ_RET"],
    ] as const;
    for (const [variables, message] of wrong) await expect(run(variables)).rejects.toThrow(message);
    expect((await kept())["contents"]).toEqual(["old-1"]);
    const longer = { EMAIL_CONTENT_RETENTION_DAYS: "36" };
    expect(await run(longer)).toEqual(nothing);
    expect(await run({ EMAIL_RETENTION_DAYS: "35" })).toMatchObject({ contents: 1, emails: 1 });
  });

  it("goes on where it was stopped, and reports what is left and what is a day late", async () => {
    await emails("old", "sent", 90.5, 1_200);
    await emails("late", "sent", 91, 300);
    const stopped = await run({}, abortedAfter(1));
    expect(stopped).toEqual({ contents: 500, emails: 0, left: 1_000 + 1_500, late: 1_000 + 300 });
    expect((await kept())["contents"]).toHaveLength(1_000);
    expect(await run()).toEqual({ ...nothing, contents: 1_000, emails: 1_500 });
  });

  it("needs no room for a row: a full database has none", async () => {
    await emails("read", "sent", 20);
    await emails("old", "sent", 90);
    await fillDatabase(db);
    expect(await run()).toEqual({ ...nothing, contents: 2, emails: 1 });
    await makeRoom(db);
  });

  it("reads no email again whose content is deleted, but each that is over later", async () => {
    await emails("old", "sent", 20, 700);
    expect(await run()).toMatchObject({ contents: 700 });
    const counting = { rows: 0 };
    const batch = async (statements: D1PreparedStatement[]) => {
      const replies = await db.batch(statements);
      counting.rows += replies.reduce((sum, { meta }) => sum + meta.rows_read, 0);
      return replies;
    };
    const counted = { prepare: db.prepare.bind(db), batch } as unknown as D1Database;
    expect(await run({ DB: counted })).toEqual(nothing);
    expect(counting.rows).toBeLessThan(30);
    await emails("later", "sent", 19.9);
    vi.setSystemTime(now + DAY_MS);
    expect(await run()).toMatchObject({ contents: 1 });
  });
});

it("a dead email whose content is deleted is not replayed: its refusal has the reason", async () => {
  await emails("old", "dead", 30);
  await emails("new", "dead", 1);
  await run();
  const refused = { errors: 1, processed: 1, items: [{ success: false }, { success: true }] };
  const reason = "its content was deleted after EMAIL_CONTENT_RETENTION_DAYS";
  for (const processed of [
    await previewReplay(db, ["old-1", "new-1"]),
    (await replayDeadLetters(db, ["old-1", "new-1"], 10, now)).processed,
  ]) {
    expect(processed).toMatchObject(refused);
    expect(processed.items[0]).toMatchObject({ status: "dead", error: reason });
  }
  const statuses = "SELECT id, status FROM emails ORDER BY id";
  expect((await db.prepare(statuses).all()).results).toEqual([
    { id: "new-1", status: "queued" },
    { id: "old-1", status: "dead" },
  ]);
});

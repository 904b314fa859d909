import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CronEnv } from "../../workers/env.ts";
import { fillDatabase, makeRoom } from "../support/full-database.ts";
import { runTask } from "../support/run-task.ts";

/** The export before deletion: rows of a real D1, objects of a real R2, and an R2 that refuses. */

const { DB: db, EXPORTS: bucket } = env as unknown as Required<CronEnv>;
const DAY_MS = 86_400_000;
const now = Date.parse("2026-11-30T12:03:00Z");
const on = { EXPORT_BEFORE_DELETION: "on", EXPORTS: bucket };
const run = (task: string, changes: Partial<CronEnv> = {}) => runTask(task, { ...on, ...changes });

/** R2 that fails: before it stores an object, or after. */
const failing = (when: "before" | "after"): Partial<CronEnv> => ({
  EXPORTS: {
    put: async (name: string, value: ArrayBuffer) => {
      if (when === "after") await bucket.put(name, value);
      throw new Error("R2 is down");
    },
  } as unknown as R2Bucket,
});

type Line = Record<string, unknown>;
async function objects(): Promise<Record<string, Line[]>> {
  const { objects: listed } = await bucket.list();
  const found: Record<string, Line[]> = {};
  for (const { key } of listed) {
    const text = (await (await bucket.get(key))?.text()) ?? "";
    found[key] = text
      .split("\n")
      .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Line]));
  }
  return found;
}
const linesOf = async (kind: string): Promise<Line[]> =>
  Object.entries(await objects()).flatMap(([key, lines]) =>
    key.includes(`/${kind}/`) ? lines : [],
  );
const rowsOf = async (table: string) =>
  (await db.prepare(`SELECT COUNT(*) AS n FROM ${table}`).first<number>("n")) ?? -1;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now });
  for (const level of ["info", "warn", "error"] as const)
    vi.spyOn(console, level).mockReturnValue();
  const tables = ["emails", "audit_log", "task_runs", "task_executions", "usage_monthly"];
  const usage = ["usage_daily", "usage_roll_ups", "usage_metrics", "users"];
  await db.batch([
    ...[...tables, ...usage].map((table) => db.prepare(`DELETE FROM ${table}`)),
    db.prepare("UPDATE task_cursors SET at = 0, id = ''"),
  ]);
  for (const { key } of (await bucket.list()).objects) await bucket.delete(key);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Sent emails `<prefix>-1` and so on that have been over for some days. */
async function emails(prefix: string, days: number, count = 1, text = "'Hi'"): Promise<void> {
  const next = `SELECT i + 1 FROM n WHERE i < ${count}`;
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL ${next})`;
  const id = `'${prefix}-' || printf('%04d', i)`;
  const at = now - days * DAY_MS;
  await db.batch(
    [
      `INSERT INTO emails (id, tenant, format, generation_at, status, from_address, to_address,
         subject, due_at, ring_after, created_at, updated_at)
       ${numbers} SELECT ${id}, 'admin', 2, ${at}, 'sent', 'a@b.cc', 'x@y.zz', 'Hi',
         ${at}, ${at}, ${at}, ${at} FROM n`,
      `INSERT INTO email_contents (email_id, text) ${numbers} SELECT ${id}, ${text} FROM n`,
      `INSERT INTO email_recipients (email_id, n, kind, address, tenant, created_at)
       ${numbers} SELECT ${id}, 1, 'to', 'x@y.zz', 'admin', ${at} FROM n`,
      `INSERT INTO email_events (email_id, n, generation, type, at)
       ${numbers} SELECT ${id}, 1, 1, 'queued', ${at} FROM n`,
    ].map((sql) => db.prepare(sql)),
  );
}

describe("before emails are deleted", () => {
  it("their contents, and later the emails with recipients and events are in R2", async () => {
    await emails("read", 20);
    await emails("old", 90);
    expect(await run("expire-emails")).toMatchObject({ contents: 2, emails: 1, left: 0 });
    const found = await objects();
    const old = now - 90 * DAY_MS;
    expect(Object.keys(found)).toEqual([
      `2026-09-01/email-contents/${old}-old-0001.ndjson`,
      `2026-09-01/emails/${old}-old-0001.ndjson`,
    ]);
    expect(await linesOf("email-contents")).toMatchObject([
      { email_id: "old-0001", text: "Hi" },
      { email_id: "read-0001", text: "Hi" },
    ]);
    expect(await linesOf("emails")).toMatchObject([
      {
        email: { id: "old-0001", subject: "Hi", status: "sent" },
        recipients: [{ address: "x@y.zz" }],
        events: [{ n: 1, type: "queued" }],
        content: null,
      },
    ]);
    expect([await rowsOf("emails"), await rowsOf("email_contents")]).toEqual([1, 0]);
  });

  it.each(["before", "after"] as const)(
    "nothing is deleted while R2 fails %s it stored a page, and its repeat overwrites the object",
    async (when) => {
      await emails("old", 90, 700);
      await expect(run("expire-emails", failing(when))).rejects.toThrow("R2 is down");
      expect([await rowsOf("emails"), await rowsOf("email_contents")]).toEqual([700, 700]);
      expect(await run("expire-emails")).toMatchObject({ contents: 700, emails: 700, left: 0 });
      for (const kind of ["emails", "email-contents"]) {
        expect(await linesOf(kind)).toHaveLength(700);
        const of = Object.keys(await objects()).filter((key) => key.includes(`/${kind}/`));
        expect(of).toHaveLength(2);
      }
    },
  );

  it("a crash between export and deletion repeats the page under the same name", async () => {
    await emails("old", 20, 3);
    const prepare = db.prepare.bind(db);
    const batch = async () => {
      throw new Error("killed");
    };
    const DB = { prepare, batch } as unknown as D1Database;
    await expect(run("expire-emails", { DB })).rejects.toThrow("killed");
    expect(await rowsOf("email_contents")).toBe(3);
    const before = Object.keys(await objects());
    await run("expire-emails");
    expect(Object.keys(await objects())).toEqual(expect.arrayContaining(before));
    expect(await linesOf("email-contents")).toHaveLength(3);
  });

  it("an email that changes while its page is written stays", async () => {
    await emails("old", 90, 2);
    await db.prepare("DELETE FROM email_contents").run();
    const EXPORTS = {
      put: async (name: string, value: ArrayBuffer) => {
        await db.prepare("UPDATE emails SET updated_at = ?1 WHERE id = 'old-0002'").bind(now).run();
        return await bucket.put(name, value);
      },
    } as unknown as R2Bucket;
    expect(await run("expire-emails", { EXPORTS })).toMatchObject({ emails: 1 });
    expect(await db.prepare("SELECT id FROM emails").first("id")).toBe("old-0002");
  });

  it("pages are small enough for an isolate, however large the contents are", async () => {
    await emails("large", 20, 12, "hex(zeroblob(750000))");
    expect(await run("expire-emails")).toMatchObject({ contents: 12, left: 0 });
    const found = Object.values(await objects());
    expect(found.map((lines) => lines.length)).toEqual([5, 5, 2]);
  });

  it("a full database still exports and deletes", async () => {
    await emails("old", 90);
    await fillDatabase(db);
    expect(await run("expire-emails")).toMatchObject({ contents: 1, emails: 1 });
    await makeRoom(db);
  });
});

it.each([
  ["no bucket is bound", { EXPORTS: undefined }, "no R2 bucket is bound as EXPORTS"],
  ["the setting is wrong", { EXPORT_BEFORE_DELETION: "yes" }, "EXPORT_BEFORE_DELETION must be"],
] as [string, Partial<CronEnv>, string][])("nothing is deleted while %s", async (_, wrong, why) => {
  await emails("old", 90);
  for (const task of ["expire-emails", "prune-history"])
    await expect(run(task, wrong)).rejects.toThrow(why);
  expect([await rowsOf("emails"), await rowsOf("email_contents")]).toEqual([1, 1]);
});

it("without the setting R2 gets nothing", async () => {
  await emails("old", 90);
  expect(await run("expire-emails", { EXPORT_BEFORE_DELETION: "off" })).toMatchObject({
    emails: 1,
  });
  expect(await objects()).toEqual({});
});

describe("before history is deleted", () => {
  const old = now - 401 * DAY_MS;
  beforeEach(async () => {
    await db.batch(
      [
        `INSERT INTO audit_log (id, at, actor, operation, path, request_id)
         VALUES ('a1', ${old}, 'ops', 'suppress', '/', 'r'),
           ('a2', ${now}, 'ops', 'suppress', '/', 'r')`,
        `INSERT INTO task_executions (execution_id, trigger, started_at, ended_at, total)
         VALUES ('e1', 'cron', ${old}, ${old}, 1), ('e2', 'cron', ${now}, ${now}, 1)`,
        `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status,
           started_at, ended_at)
         VALUES ('r1', 'e1', 'backup', 'cron', ${old}, 'success', ${old}, ${old})`,
        `INSERT INTO usage_monthly (user_id, metric, month, amount)
         VALUES ('ada', 'calls', '2020-01', 5), ('ada', 'calls', '2026-10', 6)`,
      ].map((sql) => db.prepare(sql)),
    );
  });

  it("audit, executions with their runs, and usage by month are in R2", async () => {
    expect(await run("prune-history")).toMatchObject({ executions: 1, audited: 1, months: 1 });
    expect(await objects()).toMatchObject({
      [`2025-10-25/audit/${old}-a1.ndjson`]: [{ id: "a1", actor: "ops" }],
      [`2025-10-25/task-history/${old}-e1.ndjson`]: [
        { execution: { execution_id: "e1" }, runs: [{ run_id: "r1" }] },
      ],
      "2020-01-01/usage-months/ada%20calls.ndjson": [{ month: "2020-01", amount: 5 }],
    });
    expect([await rowsOf("audit_log"), await rowsOf("task_executions")]).toEqual([1, 1]);
  });

  it("and stays while R2 fails", async () => {
    await expect(run("prune-history", failing("before"))).rejects.toThrow("R2 is down");
    const tables = ["audit_log", "task_executions", "task_runs", "usage_monthly"];
    expect(await Promise.all(tables.map(rowsOf))).toEqual([2, 2, 1, 2]);
  });
});

describe("before old days of usage are deleted", () => {
  beforeEach(async () => {
    await db.batch(
      [
        `INSERT INTO users (user_id, email, tier, created_at, updated_at)
         VALUES ('ada', 'ada', 'pro', 0, 0)`,
        `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
         VALUES ('ada', 'calls', 9, ${now - DAY_MS})`,
        `INSERT INTO usage_daily (user_id, metric, day, amount, total)
         VALUES ('ada', 'calls', '2020-01-01', 2, 2), ('ada', 'calls', '2020-01-02', 3, 5),
           ('ada', 'calls', '2026-11-01', 1, 6)`,
      ].map((sql) => db.prepare(sql)),
    );
  });
  const days = async () =>
    (await db.prepare("SELECT day FROM usage_daily ORDER BY day").all()).results.map(
      ({ day }) => day,
    );

  it("their rows are in R2", async () => {
    await run("roll-up-usage");
    expect(await objects()).toMatchObject({
      "2020-01-01/usage-days/ada%20calls.ndjson": [{ amount: 2 }, { day: "2020-01-02", amount: 3 }],
    });
    expect(await days()).toEqual(["2026-11-01", "2026-11-29"]);
  });

  it("they stay while R2 fails: counters are rolled up, and the task reports it", async () => {
    await expect(run("roll-up-usage", failing("before"))).rejects.toThrow("R2 is down");
    expect(await days()).toEqual(["2020-01-01", "2020-01-02", "2026-11-01", "2026-11-29"]);
  });
});

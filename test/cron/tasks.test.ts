import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { nextSlot } from "../../shared/schedule/rules/due.ts";
import { tasks } from "../../workers/cron/task-list.ts";
import { runTask as run } from "../support/run-task.ts";

/** The tasks that delete old rows, on a real D1. */

const db = env.DB;
const DAY_MS = 86_400_000;

beforeEach(async () => {
  const tables = [
    "idempotency_keys",
    "dead_letters",
    "webhook_messages",
    "task_runs",
    "task_executions",
    "alert_notices",
  ];
  await db.batch(tables.map((table) => db.prepare(`DELETE FROM ${table}`)));
});

describe("every task", () => {
  it("has a unique name, a schedule that comes, and a grace no shorter than its timeout", () => {
    expect(new Set(tasks.map(({ name }) => name)).size).toBe(tasks.length);
    for (const { name, cron, timeoutMs, graceMs } of tasks) {
      expect(nextSlot(cron, 0), name).toBeGreaterThan(0);
      expect(timeoutMs, name).toBeGreaterThan(0);
      expect(graceMs, name).toBeGreaterThanOrEqual(timeoutMs);
    }
  });
});

describe("expire-idempotency-keys", () => {
  const insert = (key: string, expiresAt: number) =>
    db
      .prepare(
        `INSERT INTO idempotency_keys (tenant, key, request_hash, email_id, expires_at)
         VALUES ('admin', ?1, '', '', ?2)`,
      )
      .bind(key, expiresAt);

  it("deletes expired keys, and no others", async () => {
    await db.batch([insert("old", Date.now() - DAY_MS), insert("new", Date.now() + DAY_MS)]);
    const nothing = { keys: 0, answers: 0, left: 0, late: 0 };
    expect(await run("expire-idempotency-keys")).toEqual({ ...nothing, keys: 1 });
    expect(await run("expire-idempotency-keys")).toEqual(nothing);
    expect(await db.prepare("SELECT key FROM idempotency_keys").first("key")).toBe("new");
  });

  it("prolongs a key until a day after its email is over, or its dead letter has expired", async () => {
    const now = Date.now();
    const email = (id: string, status: string, updatedAt: number) =>
      db
        .prepare(
          `INSERT INTO emails (id, tenant, format, generation_at, status, from_address, to_address,
             subject, due_at, ring_after, created_at, updated_at, buried_at)
           VALUES (?1, 'admin', 2, 0, ?2, 'a@b.cc', 'x@y.zz', 'Hi', 0, 0, 0, ?3, ?3)`,
        )
        .bind(id, status, updatedAt);
    const expiresAt = now + 3 * DAY_MS;
    await db.batch([
      email("dead", "dead", 0),
      email("sent", "sent", now - DAY_MS / 2),
      email("over", "sent", now - 2 * DAY_MS),
      email("unknown", "unknown", 0),
      db
        .prepare(
          `INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at)
           VALUES ('dead', 'email', '', 1, 0, ?1)`,
        )
        .bind(expiresAt),
      db
        .prepare(
          `INSERT INTO idempotency_keys (tenant, key, request_hash, email_id, expires_at)
           SELECT 'admin', id, '', id, ?1 FROM emails`,
        )
        .bind(now - 2 * DAY_MS),
    ]);
    await run("expire-idempotency-keys");
    const { results } = await db
      .prepare("SELECT key, expires_at AS expiresAt FROM idempotency_keys ORDER BY key")
      .all<{ key: string; expiresAt: number }>();
    const [dead, sent, unknown] = results;
    expect(results.map(({ key }) => key)).toEqual(["dead", "sent", "unknown"]);
    expect(dead?.expiresAt).toBe(expiresAt + DAY_MS);
    expect(sent?.expiresAt).toBe(now + DAY_MS / 2);
    expect(unknown?.expiresAt).toBeGreaterThan(now + DAY_MS - 2 * 3_600_000);
    await db.prepare("DELETE FROM emails").run();
  });

  it("deletes expired answers of other writes, and no others", async () => {
    const answer = (key: string, expiresAt: number) =>
      db
        .prepare(
          `INSERT INTO answered_requests
             (tenant, operation, key, request_hash, request_id, answer, expires_at)
           VALUES ('admin', 'addUsage', ?1, '', '', '{}', ?2)`,
        )
        .bind(key, expiresAt);
    await db.batch([answer("old", Date.now() - 1), answer("new", Date.now() + DAY_MS)]);
    expect(await run("expire-idempotency-keys")).toMatchObject({ answers: 1 });
    expect(await db.prepare("SELECT key FROM answered_requests").first("key")).toBe("new");
  });

  it("deletes more per run than one statement does, and counts what it leaves at its timeout", async () => {
    const fill = db.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
       INSERT INTO idempotency_keys (tenant, key, request_hash, email_id, expires_at)
       SELECT 'admin', i, '', '', 0 FROM n`,
    );
    await fill.run();
    const stopped = { keys: 0, answers: 0, left: 2_500, late: 2_500 };
    expect(await run("expire-idempotency-keys", {}, AbortSignal.abort())).toEqual(stopped);
    expect(await run("expire-idempotency-keys")).toMatchObject({ keys: 2_500, left: 0, late: 0 });
  });
});

describe("expire-dead-letters", () => {
  it("deletes expired dead letters, and no others", async () => {
    const insert = db.prepare(
      `INSERT INTO dead_letters (id, kind, reason, attempts, buried_at, expires_at)
       VALUES (?, 'poison', '', 1, 0, ?)`,
    );
    await db.batch([
      insert.bind("poison:old", Date.now() - 1),
      insert.bind("poison:new", Date.now() + DAY_MS),
    ]);
    expect(await run("expire-dead-letters")).toMatchObject({ deleted: 1 });
    expect(await db.prepare("SELECT id FROM dead_letters").first("id")).toBe("poison:new");
  });
});

describe("expire-webhook-messages", () => {
  it("deletes messages that are too old to be repeated", async () => {
    const insert = db.prepare(
      "INSERT INTO webhook_messages (provider, message_id, received_at) VALUES ('resend', ?, ?)",
    );
    await db.batch([
      insert.bind("old", Date.now() - 33 * DAY_MS),
      // A Return-Path of its day is valid until the day ends.
      insert.bind("new", Date.now() - 31 * DAY_MS),
    ]);
    expect(await run("expire-webhook-messages")).toMatchObject({ deleted: 1 });
    expect(await db.prepare("SELECT message_id FROM webhook_messages").first("message_id")).toBe(
      "new",
    );
  });
});

describe("prune-history", () => {
  it("deletes executions after 30 days, but none that is still running", async () => {
    const insert = db.prepare(
      `INSERT INTO task_executions (execution_id, trigger, started_at, ended_at, total)
       VALUES (?, 'cron', ?, ?, 1)`,
    );
    const old = Date.now() - 31 * DAY_MS;
    await db.batch([
      insert.bind("old", old, old),
      insert.bind("open", old, null),
      insert.bind("new", Date.now(), Date.now()),
    ]);
    expect(await run("prune-history")).toEqual({
      executions: 1,
      notices: 0,
      events: 0,
      days: 0,
      counts: 0,
      countDays: 0,
      deliveries: 0,
      jobs: 0,
      keys: 0,
      silences: 0,
      reports: 0,
      months: 0,
      audited: 0,
      left: 0,
      late: 0,
    });
    const { results } = await db
      .prepare("SELECT execution_id AS id FROM task_executions ORDER BY id")
      .all();
    expect(results).toEqual([{ id: "new" }, { id: "open" }]);
  });

  it("deletes alert notices after 30 days", async () => {
    const insert = db.prepare(
      `INSERT INTO alert_notices (id, key, kind, summary, at)
       VALUES (?, 'cron.overdue', 'fired', '', ?)`,
    );
    await db.batch([
      insert.bind("old", Date.now() - 31 * DAY_MS),
      insert.bind("new", Date.now() - 29 * DAY_MS),
    ]);
    expect(await run("prune-history")).toMatchObject({ notices: 1 });
    expect((await db.prepare("SELECT id FROM alert_notices").all()).results).toEqual([
      { id: "new" },
    ]);
  });

  it("deletes the list of sent reports after 30 days and the audit log after 400", async () => {
    const audit = db.prepare(
      `INSERT INTO audit_log (id, at, actor, operation, path, request_id)
       VALUES (?1, ?2, 'a', 'b', 'c', 'd')`,
    );
    const report = db.prepare("INSERT INTO usage_reports (user_id, week) VALUES ('ada', ?1)");
    const weekOf = (at: number): string => new Date(at).toISOString().slice(0, 10);
    const ago = (days: number): number => Date.now() - days * DAY_MS;
    await db.batch([
      audit.bind("old", ago(401)),
      audit.bind("new", ago(399)),
      report.bind(weekOf(ago(31))),
      report.bind(weekOf(ago(29))),
    ]);
    expect(await run("prune-history")).toMatchObject({ reports: 1, audited: 1 });
    expect((await db.prepare("SELECT id FROM audit_log").all()).results).toEqual([{ id: "new" }]);
    expect((await db.prepare("SELECT week FROM usage_reports").all()).results).toEqual([
      { week: weekOf(ago(29)) },
    ]);
  });
});

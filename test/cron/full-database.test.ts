import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { UnrecordedAlert } from "../../shared/schedule/watchdog/rules/rpc.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import worker from "../../workers/cron/index.ts";
import { tasks } from "../../workers/cron/task-list.ts";
import { queueEmail } from "../support/emails.ts";
import { fillDatabase, forgetSizes } from "../support/full-database.ts";

/** The minute's trigger while a real D1 has no room for a row. */

const db = env.DB;
const now = Date.now();
let unrecorded: UnrecordedAlert[][] = [];
let reports = 0;

beforeEach(async () => {
  unrecorded = [];
  reports = 0;
  vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(console, "warn").mockReturnValue();
  const emptied = ["emails", "idempotency_keys", "task_runs", "task_executions", "alerts"];
  await db.batch(emptied.map((table) => db.prepare(`DELETE FROM ${table}`)));
});
afterEach(async () => {
  await forgetSizes(db);
  vi.restoreAllMocks();
});

const watchdog = {
  getByName: () => ({
    report: async () => {
      reports += 1;
      return { ok: true, value: null };
    },
    notifyUnrecorded: async (alerts: UnrecordedAlert[]) => {
      unrecorded.push(alerts);
      return { ok: true, value: null };
    },
  }),
} as unknown as typeof env.TASK_WATCHDOG;
const tick = () =>
  worker.scheduled(createScheduledController(), { ...env, TASK_WATCHDOG: watchdog });
const insertKey = (key: string, expiresAt: number) =>
  db
    .prepare(
      `INSERT INTO idempotency_keys (tenant, key, request_hash, email_id, expires_at)
       VALUES ('admin', ?1, '', '', ?2)`,
    )
    .bind(key, expiresAt)
    .run();
const keys = async () =>
  (await db.prepare("SELECT key FROM idempotency_keys ORDER BY key").all()).results.map(
    ({ key }) => key,
  );
const statusOf = (id: string) =>
  db.prepare("SELECT status FROM emails WHERE id = ?").bind(id).first("status");
const runs = () => db.prepare("SELECT COUNT(*) AS n FROM task_runs").first<number>("n");
const uncaught = () => counters.totals()["luna_uncaught_exceptions_total{worker=cron}"] ?? 0;

describe("a trigger that finds no room for its record", () => {
  it("deletes what has expired, and begins once that made room", async () => {
    await insertKey("old", now - 86_400_000);
    await insertKey("new", now + 86_400_000);
    const id = await queueEmail(db, now);
    await fillDatabase(db, "EXISTS (SELECT 1 FROM idempotency_keys WHERE key = 'old')");
    await tick();
    expect(await keys()).toEqual(["new"]);
    expect(await runs()).toBeGreaterThan(0);
    expect(await statusOf(id)).toBe("queued");
    expect(reports).toBe(1);
  });

  it("deletes without a record while there is still no room, and loses no email", async () => {
    await insertKey("old", now - 86_400_000);
    const id = await queueEmail(db, now);
    await fillDatabase(db);
    const before = uncaught();
    await expect(tick()).rejects.toThrow("full");
    expect(await keys()).toEqual([]);
    expect(await runs()).toBe(0);
    expect(await statusOf(id)).toBe("queued");
    // The tasks did not run: the watchdog must find them overdue.
    expect(reports).toBe(0);
    expect(uncaught()).toBe(before);
  });

  it("notifies past D1 of what fires, and not again of what fired in D1 before", async () => {
    await fillDatabase(db);
    await expect(tick()).rejects.toThrow("full");
    expect(unrecorded.flat().map(({ key }) => key)).toContain("storage:95");
    await forgetSizes(db);
    await db.batch([
      db.prepare(
        "INSERT INTO alerts (key, fired_at, summary, revision) VALUES ('storage:95', 1, '', 1)",
      ),
    ]);
    unrecorded = [];
    await fillDatabase(db);
    await expect(tick()).rejects.toThrow("full");
    expect(unrecorded.flat().map(({ key }) => key)).not.toContain("storage:95");
    expect(unrecorded.flat().map(({ key }) => key)).toContain("storage:85");
  });
});

it("a task that only deletes inserts nothing", async () => {
  await fillDatabase(db);
  const deleting = tasks.filter(({ onlyDeletes }) => onlyDeletes === true);
  expect(deleting.map(({ name }) => name)).toContain("prune-history");
  for (const task of deleting) {
    const controls = { signal: new AbortController().signal, waitUntil: () => undefined };
    await task.run({ ...controls, context: env, trigger: "cron" });
  }
});

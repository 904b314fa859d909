import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runTask } from "../support/run-task.ts";

/** The daily digest, from real rows and real breakers. */

const db = env.DB;
const HOUR_MS = 3_600_000;
const morning = Date.parse("2026-11-25T07:00:20Z");
const to = { ALERT_EMAIL: "oncall@example.com" };

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: morning });
  const tables = [
    "task_runs",
    "task_executions",
    "alerts",
    "emails",
    "email_events",
    "idempotency_keys",
  ];
  await db.batch(tables.map((table) => db.prepare(`DELETE FROM ${table}`)));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const sent = async () =>
  (
    await db
      .prepare("SELECT subject, text FROM emails WHERE tenant = 'system'")
      .all<{ subject: string; text: string }>()
  ).results;

async function execution(
  at: number,
  runs: [task: string, status: string, missed?: number][],
): Promise<void> {
  const id = crypto.randomUUID();
  await db.batch([
    db
      .prepare(
        `INSERT INTO task_executions (execution_id, trigger, started_at, ended_at, total)
         VALUES (?1, 'cron', ?2, ?2, 0)`,
      )
      .bind(id, at),
    ...runs.map(([task, status, missed]) =>
      db
        .prepare(
          `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status,
             started_at, missed_count)
           VALUES (?1, ?2, ?3, 'cron', ?4, ?5, ?4, ?6)`,
        )
        .bind(crypto.randomUUID(), id, task, at, status, missed ?? null),
    ),
  ]);
}

describe("send-digest", () => {
  it("reports the day before, and nothing earlier or later", async () => {
    await execution(morning - 31 * HOUR_MS - 60_000, [["backup", "failure"]]);
    await execution(morning - 20 * HOUR_MS, [
      ["backup", "success"],
      ["report", "failure"],
    ]);
    await execution(morning - 10 * HOUR_MS, [["report", "missed", 7]]);
    await execution(morning - HOUR_MS, [["backup", "failure"]]);
    expect(await runTask("send-digest", to)).toEqual({ sent: 1 });
    const [email] = await sent();
    expect(email?.subject).toBe("[Luna] 24 November 2026: 2 issues");
    expect(email?.text).toContain("the task report failed once\n  the task report missed 7 runs");
    expect(email?.text).toContain("backup: 1 succeeded, 0 failed, 0 skipped, 0 missed");
    expect(email?.text).toContain("email:smtp: CLOSED, never opened");
  });

  it("is sent once a day although its task runs three times", async () => {
    for (const hours of [0, 1, 2]) {
      vi.setSystemTime(morning + hours * HOUR_MS);
      await execution(morning - 20 * HOUR_MS + hours, [["backup", "failure"]]);
      expect(await runTask("send-digest", to)).toEqual({ sent: 1 });
    }
    expect(await sent()).toHaveLength(1);
    vi.setSystemTime(morning + 24 * HOUR_MS);
    await runTask("send-digest", to);
    expect(await sent()).toHaveLength(2);
  });

  it("is not sent without ALERT_EMAIL", async () => {
    expect(await runTask("send-digest")).toEqual({ sent: 0 });
    expect(await sent()).toEqual([]);
  });

  it("fails with the reason if it cannot be sent", async () => {
    await expect(runTask("send-digest", { ...to, EMAIL_FROM: "" })).rejects.toThrow("EMAIL_FROM");
    await db
      .prepare(
        `INSERT INTO suppressions (address, scope, reason, created_at)
         VALUES ('oncall@example.com', 'all', 'bounce', 0)`,
      )
      .run();
    await expect(runTask("send-digest", to)).rejects.toThrow(
      "the address of ALERT_EMAIL is suppressed",
    );
    await db.prepare("DELETE FROM suppressions").run();
  });
});

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CronEnv } from "../../workers/env.ts";
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
      .prepare(`SELECT e.subject, c.text FROM emails e JOIN email_contents c ON c.email_id = e.id
         WHERE e.tenant = 'system'`)
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

  it("has the breakers of other Workers, and asks only those that changed", async () => {
    const change = (at: number) => ({ id: 3, at });
    const registered = [
      { name: "prices", state: "CLOSED", last: change(morning - 20 * HOUR_MS) },
      { name: "maps", state: "OPEN", last: change(morning - 20 * HOUR_MS) },
      { name: "weather", state: "CLOSED", last: change(morning - 99 * HOUR_MS) },
    ];
    const refused = { full: 0, name: 0 };
    const telemetry = { breakers: async () => ({ registered, refused }) };
    const asked: string[] = [];
    const history = async (name: string) => {
      asked.push(name);
      if (name === "maps") throw new Error("overloaded");
      const at = morning - 21 * HOUR_MS;
      return { ok: true, value: [{ at, from: "CLOSED", to: "OPEN" }] };
    };
    const breakers = {
      getByName: (name: string) =>
        registered.some((one) => one.name === name)
          ? { history: () => history(name) }
          : env.CIRCUIT_BREAKER.getByName(name),
    };
    await runTask("send-digest", {
      ...to,
      TELEMETRY: { getByName: () => telemetry } as unknown as CronEnv["TELEMETRY"],
      CIRCUIT_BREAKER: breakers as unknown as CronEnv["CIRCUIT_BREAKER"],
    });
    const [email] = await sent();
    expect(email?.text).toContain("the circuit breaker prices opened once");
    expect(email?.text).toContain("the circuit breaker maps is OPEN");
    expect(email?.text).toContain("  prices: CLOSED, opened once\n");
    expect(email?.text).toContain("  maps: OPEN, not known how often it opened\n");
    expect(email?.text).toContain("  weather: CLOSED, never opened\n");
    expect(asked.toSorted()).toEqual(["maps", "prices"]);
  });

  it("is sent once per day although its task runs three times", async () => {
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

  it("is not sent without ALERT_EMAIL, nor if it is switched off", async () => {
    const off = { ...to, AUTOMATIC_EMAILS_OFF: "digest" };
    expect(await runTask("send-digest", off)).toEqual({ sent: 0 });
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

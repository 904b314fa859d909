import { env } from "cloudflare:workers";
import { beforeEach, expect, it } from "vitest";
import { alertConditions } from "../../shared/alerts/rules/conditions.ts";
import { readFacts } from "../../shared/alerts/sql/facts.ts";
import { runDue } from "../../shared/schedule/execution.ts";
import { setTaskPaused } from "../../shared/schedule/sql/task-pauses.ts";
import type { Scheduler, Task } from "../../shared/schedule/task.ts";
import { overdueConditions } from "../../shared/schedule/watchdog/rules/overdue.ts";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";
import { tasks } from "../../workers/cron/task-list.ts";
import { reportToWatchdog } from "../../workers/cron/watch.ts";
import { storeJob } from "../support/jobs.ts";

/** What jobs and pauses mean for luna-cron, its alerts and the watchdog. */

const db = env.DB;
const MINUTE_MS = 60_000;

beforeEach(async () => {
  await db.batch(
    ["jobs", "deliveries", "task_states", "task_runs", "task_executions"].map((table) =>
      db.prepare(`DELETE FROM ${table}`),
    ),
  );
});

it("a paused task skips its slots, each of which is recorded, and runs again once it is resumed", async () => {
  let now = Date.UTC(2026, 10, 30, 12, 0, 1);
  let ran = 0;
  const task: Task<null> = {
    name: "warm-cache",
    cron: "* * * * *",
    timeoutMs: 1_000,
    graceMs: MINUTE_MS,
    overlap: "skip",
    run: async () => ({ ran: (ran += 1) }),
  };
  const clock = { now: () => now, after: () => () => undefined };
  const scheduler: Scheduler<null> = {
    db,
    context: null,
    clock,
    newId: () => crypto.randomUUID(),
    random: () => 0.5,
  };
  const statuses: string[] = [];
  for (const pausedAt of [null, now, now, null]) {
    await runDue(scheduler, [task]);
    await setTaskPaused(db, task.name, pausedAt);
    now += MINUTE_MS;
    const { results } = await runDue(scheduler, [task]);
    statuses.push(...results.map(({ status }) => status));
    now += MINUTE_MS;
  }
  expect(statuses).toEqual(["success", "skipped", "skipped", "success"]);
  const { results } = await db.prepare("SELECT status FROM task_runs ORDER BY scheduled_at").all();
  expect(results).toHaveLength(8);
});

it("no task that repairs or deletes can be paused", () => {
  const pausable = tasks.filter(({ mayPause }) => mayPause === true).map(({ name }) => name);
  expect(pausable.toSorted()).toEqual([
    "send-digest",
    "send-usage-reports",
    "tell-of-trial-ends",
    "warm-cache",
  ]);
});

it("the watchdog watches the age of the oldest due job, until none is due any more", async () => {
  const watchdog = env.TASK_WATCHDOG.getByName(WATCHDOG_NAME);
  const overdue = async () => (await watchdog.inspect()).overdue.map(({ task }) => task);
  await storeJob(db, "hourly", { schedule: { every: "1h" } }, Date.now());
  await reportToWatchdog(env);
  expect(await overdue()).toEqual([]);
  await db
    .prepare("UPDATE jobs SET next_at = ?1")
    .bind(Date.now() - 10 * MINUTE_MS)
    .run();
  await reportToWatchdog(env);
  expect(await overdue()).toEqual(["oldest-due-job"]);
  const late = (await watchdog.inspect()).overdue;
  expect(overdueConditions(late, [], Date.now())[0]?.summary).toContain("the oldest due job is");
  await db.prepare("DELETE FROM jobs").run();
  await reportToWatchdog(env);
  expect(await overdue()).toEqual([]);
  expect(overdueConditions([], late, Date.now())).toMatchObject([
    { holds: false, resolvedReason: "no job is due any more" },
  ]);
});

it("a job whose last three runs died raises an alert until one is delivered", async () => {
  const now = Date.now();
  await storeJob(db, "hourly", {}, now);
  const alert = async (failures: number) => {
    await db.prepare("UPDATE jobs SET failures = ?1").bind(failures).run();
    const facts = await readFacts(db, { tasks: [], failures: 3, operator: null, now });
    return alertConditions(facts, [], { failures: 3, wrong: [] }, now).find(
      ({ key }) => key === "jobs:failing",
    );
  };
  expect(await alert(2)).toMatchObject({ holds: false });
  expect(await alert(3)).toMatchObject({
    holds: true,
    summary: "jobs whose last 3 runs died: hourly",
  });
  expect(await alert(0)).toMatchObject({ holds: false });
});

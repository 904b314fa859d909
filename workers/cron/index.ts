import { WorkerEntrypoint } from "cloudflare:workers";
import { isDatabaseFull } from "../../shared/database/rules/faults.ts";
import { noteFull } from "../../shared/database/size.ts";
import { systemClock } from "../../shared/lib/base/clock.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import {
  runDue,
  runNow,
  type ExecutionSummary,
  type Repeats,
} from "../../shared/schedule/execution.ts";
import type { ScheduledTasksRpc } from "../../shared/schedule/rpc.ts";
import { nextSlot } from "../../shared/schedule/rules/due.ts";
import type { Trigger } from "../../shared/schedule/rules/runs.ts";
import { countRetries, findRun } from "../../shared/schedule/sql/history.ts";
import type { Scheduler } from "../../shared/schedule/task.ts";
import { setWorkerName } from "../../shared/telemetry/isolate.ts";
import type { CronEnv } from "../env.ts";
import { makeRoom } from "./make-room.ts";
import { observed } from "./observe.ts";
import { tasks } from "./task-list.ts";
import type { CronTask } from "./task.ts";
import { deliverAlerts, evaluateAlerts, reportToWatchdog } from "./watch.ts";

setWorkerName("cron");

/**
 * Runs what is due, reports to the watchdog, then evaluates and delivers the alerts. It also
 * evaluates first: if the previous tick could not, because it was killed or D1 was down, a success
 * of this tick would hide the failures of that one.
 */
async function tick(env: CronEnv): Promise<ExecutionSummary> {
  const ticked = async (): Promise<ExecutionSummary> => {
    await evaluateAlerts(env);
    const summary = await runDueWithRoom(env);
    await reportToWatchdog(env);
    await evaluateAlerts(env);
    await deliverAlerts(env);
    return summary;
  };
  return await observed(env, ticked, ({ results }) => results);
}

/** A run needs a row: if there is no room for one, deletion comes first. */
async function runDueWithRoom(env: CronEnv): Promise<ExecutionSummary> {
  try {
    return await runDue(schedulerOf(env), tasks);
  } catch (error) {
    if (!isDatabaseFull(error)) throw error;
    log("error", "task.no_room", describeError(error));
    await noteFull(env.DB, Date.now());
    await makeRoom(env);
    // Alerts reach the webhook also if still no task can begin.
    await evaluateAlerts(env);
    await deliverAlerts(env);
    return await runDue(schedulerOf(env), tasks);
  }
}

async function runOne(env: CronEnv, task: CronTask, trigger: Trigger, repeats?: Repeats) {
  const ran = await observed(
    env,
    () => runNow(schedulerOf(env), task, trigger, repeats),
    (result) => ("why" in result ? [] : [result]),
  );
  return "why" in ran ? { status: "not-begun" as const, ...ran } : ran;
}

function schedulerOf(env: CronEnv): Scheduler<CronEnv> {
  return {
    db: env.DB,
    context: env,
    clock: systemClock,
    newId: () => crypto.randomUUID(),
    random: Math.random,
  };
}

/** What other Workers may call through a service binding. */
export class ScheduledTasks extends WorkerEntrypoint<CronEnv> implements ScheduledTasksRpc {
  async tick(): ReturnType<ScheduledTasksRpc["tick"]> {
    return await tick(this.env);
  }

  async list(): ReturnType<ScheduledTasksRpc["list"]> {
    const now = Date.now();
    return tasks.map(({ name, cron, timeoutMs, graceMs, overlap, mayPause = false }) => ({
      name,
      cron,
      timeoutMs,
      graceMs,
      overlap,
      nextAt: nextSlot(cron, now),
      mayPause,
    }));
  }

  async register(): ReturnType<ScheduledTasksRpc["register"]> {
    await reportToWatchdog(this.env);
  }

  async run(name: string): ReturnType<ScheduledTasksRpc["run"]> {
    const task = tasks.find((candidate) => candidate.name === name);
    return task === undefined ? { status: "not-found" } : await runOne(this.env, task, "operator");
  }

  async retry(runId: string): ReturnType<ScheduledTasksRpc["retry"]> {
    // Before the run is read: a retry that begins in between is then noticed.
    const retries = await countRetries(this.env.DB, runId);
    const failed = await findRun(this.env.DB, runId);
    const task = tasks.find((candidate) => candidate.name === failed?.task);
    if (failed === null || task === undefined) return { status: "not-found" };
    if (failed.status !== "failure") return { status: "not-failed", is: failed.status };
    return await runOne(this.env, task, "retry", {
      attempt: failed.attempt + 1,
      of: { runId, retries },
    });
  }
}

export default {
  async scheduled(_controller, env) {
    await tick(env);
  },
} satisfies ExportedHandler<CronEnv>;

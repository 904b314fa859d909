import type { CronEnv } from "../../shared/env.ts";
import type { TaskResult } from "../../shared/schedule/rpc.ts";
import { describeError, log } from "../../shared/telemetry/log.ts";
import { deliverPurgesTask } from "./tasks/deliver-purges.ts";
import { sweepOutboxTask } from "./tasks/sweep-outbox.ts";

export type TaskContext = { env: CronEnv; trigger: "cron" | "operator" };

/** A scheduled task. `run` answers with counts for the record. */
export type Task = { name: string; run(context: TaskContext): Promise<Record<string, number>> };

/** Every task; all of them run each minute. */
export const tasks: readonly Task[] = [sweepOutboxTask, deliverPurgesTask];

export async function runAll(env: CronEnv): Promise<TaskResult[]> {
  return await Promise.all(tasks.map((task) => runTask(task, { env, trigger: "cron" })));
}

/** Runs one task. That it failed is a value, so that one failure stops nothing else. */
export async function runTask(task: Task, context: TaskContext): Promise<TaskResult> {
  const startedAt = Date.now();
  try {
    const result = await task.run(context);
    const duration = Date.now() - startedAt;
    log("info", "task.succeeded", { task: task.name, durationMs: duration, result });
    return { task: task.name, status: "success", duration, result };
  } catch (error) {
    const duration = Date.now() - startedAt;
    log("error", "task.failed", { task: task.name, durationMs: duration, ...describeError(error) });
    return { task: task.name, status: "failure", duration, error: describeError(error) };
  }
}

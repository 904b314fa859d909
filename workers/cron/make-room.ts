import { systemClock } from "../../shared/lib/base/clock.ts";
import { log } from "../../shared/lib/worker/log.ts";
import { runToEnd } from "../../shared/schedule/runner.ts";
import type { CronEnv } from "../env.ts";
import { tasks } from "./task-list.ts";

/**
 * Runs the tasks that only delete, without a record: a full database has no room for one, and
 * without these tasks it would never have. Never rejects.
 */
export async function makeRoom(env: CronEnv): Promise<void> {
  for (const task of tasks) {
    if (task.onlyDeletes !== true) continue;
    const ended = await runToEnd(
      (controls) => task.run({ ...controls, context: env, trigger: "cron" }),
      task,
      systemClock,
    );
    log(ended.status === "success" ? "warn" : "error", "task.ran_unrecorded", {
      task: task.name,
      ...(ended.status === "success" ? { result: JSON.stringify(ended.result) } : ended.error),
    });
  }
}

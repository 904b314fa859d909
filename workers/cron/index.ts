import { WorkerEntrypoint } from "cloudflare:workers";
import type { CronEnv } from "../../shared/env.ts";
import type { ScheduledTasksRpc } from "../../shared/schedule/rpc.ts";
import { runTask, tasks } from "./tasks.ts";

/** What other Workers may call through a service binding. */
export class ScheduledTasks extends WorkerEntrypoint<CronEnv> implements ScheduledTasksRpc {
  async run(name: string): ReturnType<ScheduledTasksRpc["run"]> {
    const task = tasks.find((candidate) => candidate.name === name);
    return task === undefined ? { status: "not-found" } : await runTask(task, this.env);
  }
}

export default {
  async scheduled(_controller, env) {
    await Promise.all(tasks.map((task) => runTask(task, env)));
  },
} satisfies ExportedHandler<CronEnv>;

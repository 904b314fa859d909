import { WorkerEntrypoint } from "cloudflare:workers";
import type { CronEnv } from "../../shared/env.ts";
import type { ScheduledTasksRpc } from "../../shared/schedule/rpc.ts";
import { runAll, runTask, tasks } from "./tasks.ts";

/** What other Workers may call through a service binding. */
export class ScheduledTasks extends WorkerEntrypoint<CronEnv> implements ScheduledTasksRpc {
  async tick(): ReturnType<ScheduledTasksRpc["tick"]> {
    return await runAll(this.env);
  }

  async run(name: string): ReturnType<ScheduledTasksRpc["run"]> {
    const task = tasks.find((candidate) => candidate.name === name);
    return task === undefined ? { status: "not-found" } : await runTask(task, { env: this.env, trigger: "operator" });
  }
}

export default {
  async scheduled(_controller, env) {
    await runAll(env);
  },
} satisfies ExportedHandler<CronEnv>;

import { env } from "cloudflare:workers";
import { tasks } from "../../workers/cron/task-list.ts";
import type { CronEnv } from "../../workers/env.ts";

/** Runs a task of luna-cron once, with some of its bindings replaced. Rejects if it fails. */
export async function runTask(
  name: string,
  changes: Partial<CronEnv> = {},
  signal = new AbortController().signal,
): Promise<Record<string, number>> {
  const task = tasks.find((one) => one.name === name);
  if (task === undefined) throw new Error(`no task ${name}`);
  return await task.run({
    context: { ...env, ...changes },
    trigger: "cron",
    signal,
    waitUntil: () => undefined,
  });
}

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

/** A signal that is aborted after a task has looked at it so many times. */
export function abortedAfter(looks: number): AbortSignal {
  let seen = 0;
  const signal = {
    get aborted(): boolean {
      seen += 1;
      return seen > looks;
    },
  };
  return signal as AbortSignal;
}

import { describeError, log } from "../../shared/lib/worker/log.ts";
import { notifyOfRuns, parseJobMessage } from "../../shared/schedule/jobs/queue-messages.ts";
import { runDueJobs, type NextRun, type RunPorts } from "../../shared/schedule/jobs/run-due.ts";
import { allowedTargets } from "../../shared/schedule/jobs/settings.ts";
import { outboundPolicy, secretsKey } from "../../shared/webhooks/settings.ts";
import type { ConsumerEnv } from "../env.ts";
import { writeDeliveries } from "./deliver-webhooks.ts";

/** What is due later is left to the sweep. */
const MAX_DELAY_MS = 60_000;

/**
 * Consumes notifications of runs. All are acknowledged: D1 has what is due, and luna-cron notifies
 * again.
 */
export async function jobBatch({ messages }: MessageBatch, env: ConsumerEnv): Promise<void> {
  const ports = portsOf(env);
  for (const message of messages) {
    const parsed = parseJobMessage(message.body);
    message.ack();
    if (ports === null || !parsed.success) continue;
    try {
      await runDueJobs(ports, parsed.output.runIds, (next) => notifyOfNext(env, next));
    } catch (error) {
      log("error", "job.run_failed", describeError(error));
    }
  }
  await writeDeliveries(env);
}

/** Never rejects: without it luna-cron notifies, within a minute. */
async function notifyOfNext(env: ConsumerEnv, next: readonly NextRun[]): Promise<void> {
  for (const { id, at } of next) {
    const waitMs = at - Date.now();
    if (waitMs > MAX_DELAY_MS) continue;
    try {
      await notifyOfRuns(env.JOB_QUEUE, [id], Math.max(Math.ceil(waitMs / 1_000), 0));
    } catch (error) {
      log("warn", "job.notification_failed", describeError(error));
    }
  }
}

function portsOf(env: ConsumerEnv): RunPorts | null {
  const [key, policy, allowed] = [secretsKey(env), outboundPolicy(env), allowedTargets(env)];
  if (key.ok && policy.ok && allowed.ok) {
    return {
      db: env.DB,
      bindings: env,
      allowed: allowed.value,
      secretsKey: key.value,
      policy: policy.value,
      fetch: (input, init) => fetch(input, init),
      now: Date.now,
      random: Math.random,
    };
  }
  const wrong = [key, policy, allowed].flatMap((one) => (one.ok ? [] : [one.error]));
  for (const { variable, message } of wrong)
    log("error", "job.misconfigured", { variable, problem: message });
  return null;
}

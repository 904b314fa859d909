import { retryPolicy, waitLimits } from "../../../shared/email/settings.ts";
import { runSweep } from "../../../shared/email/sweep.ts";
import type { CronTask } from "../task.ts";

/**
 * Notifies the queue of due emails whose notification was lost, and reclaims expired leases. For an
 * operator it notifies of every due email.
 */
export const sweepOutbox: CronTask = {
  name: "sweep-outbox",
  cron: "* * * * *",
  timeoutMs: 50_000,
  graceMs: 120_000,
  overlap: "skip",
  async run({ context: env, trigger }) {
    const policy = retryPolicy(env);
    if (!policy.ok) throw new Error(`${policy.error.variable} ${policy.error.message}`);
    const limits = waitLimits(env);
    if (!limits.ok) throw new Error(`${limits.error.variable} ${limits.error.message}`);
    const what = {
      db: env.DB,
      queue: env.EMAIL_QUEUE,
      deadLetterQueue: env.EMAIL_DLQ,
      policy: policy.value,
      waitLimits: limits.value,
    };
    return await runSweep({ ...what, everything: trigger !== "cron" }, Date.now(), Math.random);
  },
};

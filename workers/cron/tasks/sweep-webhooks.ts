import { notifyOwners, sweepWebhooks } from "../../../shared/webhooks/sweep.ts";
import type { CronTask } from "../task.ts";

/**
 * Writes the deliveries of events that wait, reclaims expired leases, notifies the queues of
 * endpoints with something due, and owners of endpoints that were paused.
 */
export const sweepWebhookDeliveries: CronTask = {
  name: "sweep-webhooks",
  cron: "* * * * *",
  timeoutMs: 50_000,
  graceMs: 120_000,
  overlap: "skip",
  async run({ context: env }) {
    const now = Date.now();
    const swept = await sweepWebhooks(env, now, Math.random);
    const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
    return { ...swept, owners: await notifyOwners(outbox, env, now) };
  },
};

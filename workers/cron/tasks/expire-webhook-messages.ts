import { forgetFeedback } from "../../../shared/email/sql/feedback.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import type { CronTask } from "../task.ts";

/** A provider sends a message again for days if it missed our answer. */
const MEMORY_MS = 30 * 86_400_000;

/** Forgets the provider messages that can no longer come again. */
export const expireWebhookMessages: CronTask = {
  name: "expire-webhook-messages",
  cron: "15 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const before = Date.now() - MEMORY_MS;
    return { deleted: await drainInBatches((limit) => forgetFeedback(DB, before, limit), signal) };
  },
};

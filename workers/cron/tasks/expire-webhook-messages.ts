import { forgetFeedback } from "../../../shared/email/sql/feedback.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import type { CronTask } from "../task.ts";

/** A provider may repeat a message for days if it missed the reply. */
const KEPT_MS = 30 * DAY_MS;

/** Deletes the ids of provider messages that are too old to be repeated. */
export const expireWebhookMessages: CronTask = {
  name: "expire-webhook-messages",
  cron: "15 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const before = Date.now() - KEPT_MS;
    return { deleted: await drainInBatches((limit) => forgetFeedback(DB, before, limit), signal) };
  },
};

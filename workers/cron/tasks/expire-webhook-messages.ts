import { RETURN_PATH_DAYS } from "../../../shared/email/rules/return-path.ts";
import { oldFeedback } from "../../../shared/email/sql/feedback.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { expire } from "../expire.ts";
import type { CronTask } from "../task.ts";

/**
 * A provider may repeat a message for days if it missed the reply. A Return-Path counts whole days,
 * and may be of a day ahead: a report to it is known for as long as it is valid.
 */
const KEPT_MS = (RETURN_PATH_DAYS + 2) * DAY_MS;

/** Deletes the ids of provider messages that are too old to be repeated. */
export const expireWebhookMessages: CronTask = {
  name: "expire-webhook-messages",
  cron: "4-59/15 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  onlyDeletes: true,
  async run({ context: { DB }, signal }) {
    const deleted = { rows: oldFeedback, until: Date.now() - KEPT_MS };
    return await expire(DB, { deleted }, signal);
  },
};

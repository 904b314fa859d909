import type { CronTask } from "./task.ts";
import { cancelUnsentEmails } from "./tasks/cancel-unsent.ts";
import { checkSenders } from "./tasks/check-senders.ts";
import { countEmailsByDay } from "./tasks/count-emails.ts";
import { deliverPurges } from "./tasks/deliver-purges.ts";
import { endTrials } from "./tasks/end-trials.ts";
import { expireAttachments } from "./tasks/expire-attachments.ts";
import { expireConfirmations } from "./tasks/expire-confirmations.ts";
import { expireDeadLetters } from "./tasks/expire-dead-letters.ts";
import { expireEmails } from "./tasks/expire-emails.ts";
import { expireIdempotencyKeys } from "./tasks/expire-idempotency-keys.ts";
import { expireWebhookMessages } from "./tasks/expire-webhook-messages.ts";
import { pruneHistory } from "./tasks/prune-history.ts";
import { rollUpUsage } from "./tasks/roll-up-usage.ts";
import { sendDigest } from "./tasks/send-digest.ts";
import { sendUsageReports } from "./tasks/send-usage-reports.ts";
import { startJobs } from "./tasks/start-jobs.ts";
import { sweepHeartbeats } from "./tasks/sweep-heartbeats.ts";
import { sweepOutbox } from "./tasks/sweep-outbox.ts";
import { sweepWebhookDeliveries } from "./tasks/sweep-webhooks.ts";
import { notifyOfTrialEnds } from "./tasks/tell-of-trial-ends.ts";
import { warmCache } from "./tasks/warm-cache.ts";

/** Every task. The trigger comes each minute and runs those whose `cron` is due. */
export const tasks: readonly CronTask[] = [
  sweepOutbox,
  sweepWebhookDeliveries,
  startJobs,
  sweepHeartbeats,
  deliverPurges,
  expireIdempotencyKeys,
  expireDeadLetters,
  expireEmails,
  expireAttachments,
  expireConfirmations,
  checkSenders,
  cancelUnsentEmails,
  expireWebhookMessages,
  pruneHistory,
  rollUpUsage,
  countEmailsByDay,
  notifyOfTrialEnds,
  endTrials,
  sendUsageReports,
  warmCache,
  sendDigest,
];

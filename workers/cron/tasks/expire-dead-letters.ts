import { deleteExpiredDeadLetters } from "../../../shared/email/sql/dead-letters.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import type { CronTask } from "../task.ts";

/** Deletes dead letters after `DLQ_RETENTION_DAYS`. Their emails stay. */
export const expireDeadLetters: CronTask = {
  name: "expire-dead-letters",
  cron: "5 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    return {
      deleted: await drainInBatches((limit) => deleteExpiredDeadLetters(DB, now, limit), signal),
    };
  },
};

import { expiredDeadLetters } from "../../../shared/email/sql/dead-letters.ts";
import { expire } from "../expire.ts";
import type { CronTask } from "../task.ts";

/** Deletes dead letters after `DLQ_RETENTION_DAYS`. Their emails stay. */
export const expireDeadLetters: CronTask = {
  name: "expire-dead-letters",
  cron: "5 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  onlyDeletes: true,
  async run({ context: { DB }, signal }) {
    const deleted = { rows: expiredDeadLetters, until: Date.now() };
    return await expire(DB, { deleted }, signal);
  },
};

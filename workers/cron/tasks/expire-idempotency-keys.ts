import { deleteExpiredIdempotencyKeys } from "../../../shared/email/sql/idempotency-keys.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import type { CronTask } from "../task.ts";

/** Deletes expired idempotency keys, which have no effect any more: up to 20,000 per run. */
export const expireIdempotencyKeys: CronTask = {
  name: "expire-idempotency-keys",
  cron: "*/2 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    return {
      deleted: await drainInBatches(
        (limit) => deleteExpiredIdempotencyKeys(DB, now, limit),
        signal,
      ),
    };
  },
};

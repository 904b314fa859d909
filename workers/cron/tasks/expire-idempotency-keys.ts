import { expiredAnswers } from "../../../shared/database/answered-requests.ts";
import { countExpiredKeys, deleteExpiredKeys } from "../../../shared/email/sql/idempotency-keys.ts";
import { drainInBatches, sumOfLeft } from "../../../shared/schedule/drain-in-batches.ts";
import { expire } from "../expire.ts";
import type { CronTask } from "../task.ts";

/**
 * After its 24 h a key waits for so long: then its email was over for 24 h, too, as a rule, and the
 * key is not prolonged.
 */
const WAITS_MS = 3_600_000;

/** Deletes expired idempotency keys, which have no effect any more. */
export const expireIdempotencyKeys: CronTask = {
  name: "expire-idempotency-keys",
  cron: "*/2 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  onlyDeletes: true,
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    const expired = {
      drainSome: (until: number, limit: number) => deleteExpiredKeys(DB, until, limit),
      count: (until: number, limit: number) => countExpiredKeys(DB, until, limit),
    };
    const keys = await drainInBatches(expired, now - WAITS_MS, signal);
    const rows = { answers: { rows: expiredAnswers, until: now } };
    const { answers, left, late } = await expire(DB, rows, signal);
    return { keys: keys.drained, answers, ...sumOfLeft([keys, { drained: 0, left, late }]) };
  },
};

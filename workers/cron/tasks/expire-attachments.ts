import { countExpiredFiles } from "../../../shared/email/sql/expired-files.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import { deleteExpiredFiles, deleteOrphans } from "../expire-files.ts";
import type { CronTask } from "../task.ts";

/** Of each file an object is deleted, too: R2 takes 1,000 at a time. */
const PACE = { batchSize: 500, maxBatches: 20 };

/**
 * Deletes uploaded files that no email with a content names any more, and objects of R2 that no row
 * names: 240,000 of each per day.
 */
export const expireAttachments: CronTask = {
  name: "expire-attachments",
  cron: "25 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: { DB: db, ATTACHMENTS: bucket }, signal }) {
    // Without a bucket nothing was uploaded.
    if (bucket === undefined) return { deleted: 0, orphans: 0, left: 0, late: 0 };
    const store = { db, bucket };
    const { drained, left, late } = await drainInBatches(
      {
        drainSome: (until, limit) => deleteExpiredFiles(store, until, limit),
        count: (until, limit) => countExpiredFiles(db, until, limit),
      },
      Date.now(),
      signal,
      PACE,
    );
    return {
      deleted: drained,
      orphans: await deleteOrphans(store, Date.now(), signal),
      left,
      late,
    };
  },
};

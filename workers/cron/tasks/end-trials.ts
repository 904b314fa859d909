import { countDueTrials, endDueTrials } from "../../../shared/accounts/sql/trials.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import type { CronTask } from "../task.ts";

/**
 * Ends the trials that are over, up to 20,000 per run. `deliver-purges` delivers their cache
 * purges, so every isolate has the new tier within two minutes.
 */
export const endTrials: CronTask = {
  name: "end-trials",
  cron: "20 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const due = {
      drainSome: (now: number, limit: number) => endDueTrials(DB, crypto.randomUUID(), now, limit),
      count: (now: number, limit: number) => countDueTrials(DB, now, limit),
    };
    const { drained, left, late } = await drainInBatches(due, Date.now(), signal);
    return { ended: drained, left, late };
  },
};

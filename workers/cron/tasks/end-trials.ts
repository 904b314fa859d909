import { endTrials as endSome } from "../../../shared/accounts/sql/trials.ts";
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
    const now = Date.now();
    return {
      ended: await drainInBatches((limit) => endSome(DB, crypto.randomUUID(), now, limit), signal),
    };
  },
};

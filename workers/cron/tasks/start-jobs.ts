import { systemClock } from "../../../shared/lib/base/clock.ts";
import { startDueJobs } from "../../../shared/schedule/jobs/start-due.ts";
import type { CronTask } from "../task.ts";

/**
 * Claims the slots of jobs that are due and notifies the consumer, which calls their targets.
 * Recovers runs whose consumer died or whose notification was lost.
 */
export const startJobs: CronTask = {
  name: "start-jobs",
  cron: "* * * * *",
  timeoutMs: 50_000,
  graceMs: 120_000,
  overlap: "skip",
  async run({ context: env, signal }) {
    return await startDueJobs(env, { clock: systemClock, random: Math.random, signal });
  },
};

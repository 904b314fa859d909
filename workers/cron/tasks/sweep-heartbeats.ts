import { applyPending } from "../../../shared/heartbeats/apply.ts";
import type { CronTask } from "../task.ts";

/** Brings to the objects what D1 has of heartbeats and they may not have yet. */
export const sweepHeartbeats: CronTask = {
  name: "sweep-heartbeats",
  cron: "* * * * *",
  timeoutMs: 50_000,
  graceMs: 120_000,
  overlap: "skip",
  async run({ context: env }) {
    return await applyPending(env, Date.now());
  },
};

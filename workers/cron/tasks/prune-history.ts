import { untilNoneIsLeft } from "../../../shared/schedule/bounded.ts";
import { deleteNotices } from "../../../shared/alerts/store.ts";
import { deleteExecutions } from "../../../shared/schedule/history/store.ts";
import type { CronTask } from "../tasks.ts";

const KEPT_MS = 30 * 86_400_000;

/** The history of the tasks, and what was said to people, is kept for 30 days. */
export const pruneHistory: CronTask = {
  name: "prune-history",
  cron: "25 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  async run({ given: { DB }, signal }) {
    const before = Date.now() - KEPT_MS;
    const executions = await untilNoneIsLeft((limit) => deleteExecutions(DB, before, limit), signal);
    const notices = await untilNoneIsLeft((limit) => deleteNotices(DB, before, limit), signal);
    return { executions, notices };
  },
};

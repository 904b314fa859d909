import { deleteReports } from "../../../shared/accounts/sql/usage-reports.ts";
import { deleteNotices } from "../../../shared/alerts/sql/alerts.ts";
import { deleteAudit } from "../../../shared/audit/audit-log.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import { deleteExecutions } from "../../../shared/schedule/sql/history.ts";
import { dayOf } from "../date-text.ts";
import type { CronTask } from "../task.ts";

const DAY_MS = 86_400_000;
const KEPT_MS = 30 * DAY_MS;
const AUDIT_KEPT_MS = 400 * DAY_MS;

/**
 * The history of the tasks, and what was said to people and to whom usage was reported, is kept for
 * 30 days; what admins did for a little over a year.
 */
export const pruneHistory: CronTask = {
  name: "prune-history",
  cron: "25 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    const before = now - KEPT_MS;
    const executions = await drainInBatches((limit) => deleteExecutions(DB, before, limit), signal);
    const notices = await drainInBatches((limit) => deleteNotices(DB, before, limit), signal);
    const reports = await drainInBatches(
      (limit) => deleteReports(DB, dayOf(before), limit),
      signal,
    );
    const audited = await drainInBatches(
      (limit) => deleteAudit(DB, now - AUDIT_KEPT_MS, limit),
      signal,
    );
    return { executions, notices, reports, audited };
  },
};

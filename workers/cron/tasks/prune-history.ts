import { deleteReports } from "../../../shared/accounts/sql/usage-reports.ts";
import { deleteNotices } from "../../../shared/alerts/sql/alerts.ts";
import { deleteAudit } from "../../../shared/audit/audit-log.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { drainInBatches } from "../../../shared/schedule/drain-in-batches.ts";
import { deleteExecutions } from "../../../shared/schedule/sql/history.ts";
import { dayOf } from "../dates.ts";
import type { CronTask } from "../task.ts";

const KEPT_MS = 30 * DAY_MS;
const AUDIT_KEPT_MS = 400 * DAY_MS;

/**
 * Deletes executions, alert notices and the list of sent usage reports after 30 days, and the audit
 * log after 400 days.
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

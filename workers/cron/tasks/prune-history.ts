import { expiredKeys } from "../../../shared/accounts/sql/api-keys.ts";
import { oldReports } from "../../../shared/accounts/sql/usage-reports.ts";
import { oldMonths } from "../../../shared/accounts/sql/usage-roll-up.ts";
import { oldNotices } from "../../../shared/alerts/sql/alerts.ts";
import { oldSilences } from "../../../shared/alerts/sql/silences.ts";
import { oldAudit } from "../../../shared/database/audit-log.ts";
import { oldDays } from "../../../shared/email/sql/daily-limits.ts";
import { oldCountDays, oldCounts } from "../../../shared/email/sql/email-counts.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { drainInBatches, sumOfLeft } from "../../../shared/schedule/drain-in-batches.ts";
import { countOldExecutions, deleteExecutions } from "../../../shared/schedule/sql/history.ts";
import { oldJobs } from "../../../shared/schedule/sql/jobs.ts";
import { oldDeliveries } from "../../../shared/webhooks/sql/deliveries.ts";
import { oldEvents } from "../../../shared/webhooks/sql/events.ts";
import { expire } from "../expire.ts";
import { auditExport, exportExecutions, monthsExport } from "../export-history.ts";
import { exportOf } from "../export.ts";
import { retentionOf } from "../settings.ts";
import type { CronTask } from "../task.ts";

const KEPT_MS = 30 * DAY_MS;

/**
 * Deletes executions, alert notices, silences, the list of sent usage reports, events, their
 * deliveries and jobs that are over after 30 days, keys 30 days after their end, the audit log,
 * usage by month and counts of emails after their retention, and the counts for daily limits.
 * Executions, the audit log and months are exported first, if that is set.
 */
export const pruneHistory: CronTask = {
  name: "prune-history",
  cron: "25 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  onlyDeletes: true,
  async run({ context: env, signal }) {
    const { DB } = env;
    const now = Date.now();
    const { auditMs, usageMs, usageMonthlyMs, isExported } = retentionOf(env);
    const write = exportOf(env, isExported);
    const until = now - KEPT_MS;
    const old = {
      drainSome: (before: number, limit: number) =>
        write === null
          ? deleteExecutions(DB, before, limit)
          : exportExecutions(DB, write, before, limit),
      count: (before: number, limit: number) => countOldExecutions(DB, before, limit),
    };
    const executions = await drainInBatches(old, until, signal);
    const expired = {
      deliveries: { rows: oldDeliveries, until },
      events: { rows: oldEvents, until: until - DAY_MS },
      jobs: { rows: oldJobs, until },
      notices: { rows: oldNotices, until },
      silences: { rows: oldSilences, until },
      keys: { rows: expiredKeys, until },
      days: { rows: oldDays, until: now },
      counts: { rows: oldCounts, until: now - usageMs },
      countDays: { rows: oldCountDays, until: now - usageMs },
      reports: { rows: oldReports, until },
      months: { rows: oldMonths, until: now - usageMonthlyMs, exported: monthsExport(write) },
      audited: { rows: oldAudit, until: now - auditMs, exported: auditExport(write) },
    };
    const { left, late, ...deleted } = await expire(DB, expired, signal);
    return {
      executions: executions.drained,
      ...deleted,
      ...sumOfLeft([executions, { drained: 0, left, late }]),
    };
  },
};

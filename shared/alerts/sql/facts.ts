import { countUpTo } from "../../database/counted.ts";
import { SYSTEM_TENANT } from "../../email/outbox.ts";
import { daysSinceEpoch } from "../../email/rules/daily-limits.ts";
import { AFTER_ACCOUNTS } from "../../email/sql/pauses.ts";
import { isSuppressedFor } from "../../email/sql/suppressed.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import { streakRuns, type AlertFacts, type Streak } from "../rules/conditions.ts";

/** SQL of the counts that alert conditions are derived from. Reads only. */

/** Executions that end within this of each other are compared, so that none hides a worse one. */
const RECENT_MS = 120_000;

/** A running run whose lease has expired counts as a failure, even before that is recorded. */
const selectStreaks = `SELECT t.value AS task,
    (SELECT json_group_array(json_object('status', status, 'late', late)) FROM (
       SELECT iif(status = 'running', 'failure', status) AS status,
              iif(status = 'success', result ->> 'late', NULL) AS late FROM task_runs
       WHERE task = t.value AND (status IN ('success', 'failure')
                                 OR (status = 'running' AND lease_expires_at <= ?3))
       ORDER BY started_at DESC LIMIT ?2)) AS runs
  FROM json_each(?1) AS t`;

const selectFailed = `SELECT r.task FROM task_runs r
  WHERE r.status = 'failure' AND r.execution_id = (
    SELECT execution_id FROM task_executions WHERE trigger = 'cron' AND total > 0
      AND ended_at >= MIN(?1, (SELECT MAX(ended_at) FROM task_executions
                               WHERE trigger = 'cron' AND total > 0))
    ORDER BY failed DESC, ended_at DESC LIMIT 1)
  ORDER BY r.task`;

const operatorIsSuppressed = isSuppressedFor({
  address: "?2",
  tenant: `'${SYSTEM_TENANT}'`,
  category: "'transactional'",
});

const selectEmails = `SELECT
    (SELECT MIN(due_at) FROM emails WHERE status = 'queued') AS oldestDueAt,
    (SELECT MIN(waiting_since) FROM emails
      WHERE status = 'queued' AND waiting_since IS NOT NULL) AS waitingSince,
    ${countUpTo("emails WHERE status = 'unknown'")} AS unknown,
    ${countUpTo("dead_letters")} AS dead,
    (SELECT MIN(created_at) FROM (SELECT created_at FROM email_pauses
      WHERE scope > '${AFTER_ACCOUNTS}' LIMIT 1000)) AS pausedSince,
    ${countUpTo("email_days WHERE day = ?3 AND emails * 5 >= most * 4")} AS nearLimits,
    (SELECT MAX(buried_at) FROM dead_letters) AS newestDeadAt,
    ${operatorIsSuppressed} AS operatorIsSuppressed,
    ${countUpTo("dead_letters WHERE expires_at < ?1")} AS expiring`;

/** An alert names no more of them. */
const MAX_FAILING_JOBS = 10;

const selectFailingJobs = `SELECT name FROM jobs INDEXED BY jobs_failing
  WHERE failures > 0 AND failures >= ?1 ORDER BY failures DESC, name DESC LIMIT ?2`;

/**
 * `failures`: how many failed runs of a task in a row make an alert. `operator`: the address of
 * `ALERT_EMAIL`; null if there is none.
 */
export type FactsQuery = {
  tasks: string[];
  failures: number;
  operator: string | null;
  now: number;
};

export async function readFacts(
  db: D1Database,
  { tasks, failures, operator, now }: FactsQuery,
): Promise<AlertFacts> {
  const [streaks, failed, emails, jobs] = await db.batch([
    db.prepare(selectStreaks).bind(JSON.stringify(tasks), streakRuns(failures), now),
    db.prepare(selectFailed).bind(now - RECENT_MS),
    db
      .prepare(selectEmails)
      .bind(now + DAY_MS, operator?.toLowerCase() ?? null, daysSinceEpoch(now)),
    db.prepare(selectFailingJobs).bind(failures, MAX_FAILING_JOBS),
  ]);
  const rows = (streaks?.results ?? []) as { task: string; runs: string }[];
  return {
    failed: ((failed?.results ?? []) as { task: string }[]).map(({ task }) => task),
    failingJobs: ((jobs?.results ?? []) as { name: string }[]).map(({ name }) => name),
    streaks: rows.map(({ task, runs }) => streakOf(task, JSON.parse(runs) as RunFacts[])),
    emails: (emails?.results[0] as AlertFacts["emails"] | undefined) ?? {
      oldestDueAt: null,
      waitingSince: null,
      unknown: 0,
      nearLimits: 0,
      pausedSince: null,
      dead: 0,
      newestDeadAt: null,
      expiring: 0,
      operatorIsSuppressed: 0,
    },
  };
}

type RunFacts = { status: Streak["statuses"][number]; late: number | null };

/** @param runs newest first */
function streakOf(task: string, runs: RunFacts[]): Streak {
  const succeeded = runs.find(({ status }) => status === "success");
  return { task, statuses: runs.map(({ status }) => status), late: succeeded?.late ?? null };
}

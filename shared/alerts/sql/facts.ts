import { DAY_MS } from "../../lib/base/clock.ts";
import type { AlertFacts, Streak } from "../rules/conditions.ts";

/** SQL of the counts that alert conditions are derived from. Reads only. */

/** Executions that end within this of each other are compared, so that none hides a worse one. */
const RECENT_MS = 120_000;

/** A running run whose lease has expired counts as a failure, even before that is recorded. */
const selectStreaks = `SELECT t.value AS task,
    (SELECT json_group_array(status) FROM (
       SELECT iif(status = 'running', 'failure', status) AS status FROM task_runs
       WHERE task = t.value AND (status IN ('success', 'failure')
                                 OR (status = 'running' AND lease_expires_at <= ?3))
       ORDER BY started_at DESC LIMIT ?2)) AS statuses
  FROM json_each(?1) AS t`;

const selectFailed = `SELECT r.task FROM task_runs r
  WHERE r.status = 'failure' AND r.execution_id = (
    SELECT execution_id FROM task_executions WHERE trigger = 'cron' AND total > 0
      AND ended_at >= MIN(?1, (SELECT MAX(ended_at) FROM task_executions
                               WHERE trigger = 'cron' AND total > 0))
    ORDER BY failed DESC, ended_at DESC LIMIT 1)
  ORDER BY r.task`;

const selectEmails = `SELECT
    (SELECT MIN(due_at) FROM emails WHERE status = 'queued') AS oldestDueAt,
    (SELECT COUNT(*) FROM emails WHERE status = 'unknown') AS unknown,
    (SELECT COUNT(*) FROM dead_letters) AS dead,
    (SELECT MAX(buried_at) FROM dead_letters) AS newestDeadAt,
    EXISTS (SELECT 1 FROM suppressions
            WHERE address = ?2 AND scope = 'all') AS operatorIsSuppressed,
    (SELECT COUNT(*) FROM dead_letters WHERE expires_at < ?1) AS expiring`;

/**
 * `failures`: how many runs of a task make a streak. `operator`: the address of `ALERT_EMAIL`; null
 * if there is none.
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
  const [streaks, failed, emails] = await db.batch([
    db.prepare(selectStreaks).bind(JSON.stringify(tasks), failures, now),
    db.prepare(selectFailed).bind(now - RECENT_MS),
    db.prepare(selectEmails).bind(now + DAY_MS, operator?.toLowerCase() ?? null),
  ]);
  const rows = (streaks?.results ?? []) as { task: string; statuses: string }[];
  return {
    failed: ((failed?.results ?? []) as { task: string }[]).map(({ task }) => task),
    streaks: rows.map(({ task, statuses }) => ({
      task,
      statuses: JSON.parse(statuses) as Streak["statuses"],
    })),
    emails: (emails?.results[0] as AlertFacts["emails"] | undefined) ?? {
      oldestDueAt: null,
      unknown: 0,
      dead: 0,
      newestDeadAt: null,
      expiring: 0,
      operatorIsSuppressed: 0,
    },
  };
}

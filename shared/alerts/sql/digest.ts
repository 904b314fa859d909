import { countUpTo } from "../../database/counted.ts";
import { MAX_EMAILS_OF_DAY, type DayFacts, type TaskDay } from "../rules/digest-text.ts";

/** SQL of the digest. Reads only. */

const selectTasks = `SELECT task, SUM(status = 'success') AS successes,
    SUM(status = 'failure') AS failures, SUM(status = 'skipped') AS skipped,
    SUM(CASE WHEN status = 'missed' THEN missed_count ELSE 0 END) AS missed
  FROM task_runs WHERE execution_id IN (
    SELECT execution_id FROM task_executions WHERE started_at >= ?1 AND started_at < ?2)
  GROUP BY task ORDER BY task`;

const selectEmails = `SELECT status, COUNT(*) AS count FROM (
    SELECT status FROM emails WHERE created_at >= ?1 AND created_at < ?2
    ORDER BY created_at, id LIMIT ${MAX_EMAILS_OF_DAY})
  GROUP BY status ORDER BY status`;

const selectNow = `SELECT ${countUpTo("dead_letters")} AS dead,
    ${countUpTo("emails WHERE status = 'unknown'")} AS unknown,
    ${countUpTo("emails WHERE status = 'queued' AND due_at <= ?1")} AS due`;

/** What happened from one time (included) to another (excluded), and the state at `now`. */
export async function readDay(
  db: D1Database,
  from: number,
  until: number,
  now: number,
): Promise<DayFacts> {
  const [tasks, emails, current, firing] = await db.batch([
    db.prepare(selectTasks).bind(from, until),
    db.prepare(selectEmails).bind(from, until),
    db.prepare(selectNow).bind(now),
    db.prepare("SELECT summary FROM alerts WHERE fired_at IS NOT NULL ORDER BY fired_at"),
  ]);
  const byStatus = (emails?.results ?? []) as { status: string; count: number }[];
  return {
    tasks: (tasks?.results ?? []) as TaskDay[],
    emails: Object.fromEntries(byStatus.map(({ status, count }) => [status, count])),
    now: (current?.results[0] as DayFacts["now"] | undefined) ?? { dead: 0, unknown: 0, due: 0 },
    firing: ((firing?.results ?? []) as { summary: string }[]).map(({ summary }) => summary),
  };
}

import { runBatch } from "../../database/batch.ts";
import {
  countRows,
  deletionOf,
  type ExpiringRows,
  type StoredRow,
} from "../../database/expiring.ts";

/**
 * SQL that rolls the counters up into days and months, in UTC: `2026-11-25` and `2026-11`.
 *
 * A page is one transaction that also stores how far it came. What is repeated, lost or
 * interrupted, each counter is rolled up once per period.
 */

/** How many rows a page wrote, and whether more counters follow. */
export type RollUpPage = { rolledUp: number; left: boolean };

/** The next counters for the period `?1`, at most `?2`; none once the period is finished. */
const page = `SELECT user_id, metric, amount, updated_at, day, before_day FROM usage_metrics
  WHERE (user_id, metric) > (SELECT after_user, after_metric FROM usage_roll_ups
                             WHERE period = ?1 AND finished = 0)
  ORDER BY user_id, metric LIMIT ?2`;

/** The total of the counter `m` when it was last rolled up. */
const lastTotal = `SELECT total FROM usage_daily d
  WHERE d.user_id = m.user_id AND d.metric = m.metric ORDER BY d.day DESC LIMIT 1`;

/**
 * The total of the counter `m` at the end of the day `?1`, whenever this runs. NULL if it is not
 * known, because a release before the column `day` counted since: then the usage of both days
 * counts for the next one.
 */
const totalAtEnd = `CASE
  WHEN m.updated_at < unixepoch(?1, '+1 day') * 1000 THEN m.amount
  WHEN m.day > ?1 THEN m.before_day END`;

const insertDays = `INSERT INTO usage_daily (user_id, metric, day, amount, total)
  SELECT user_id, metric, ?1, total - before, total
  FROM (SELECT m.user_id, m.metric, ${totalAtEnd} AS total,
               COALESCE((${lastTotal}), 0) AS before
        FROM (${page}) AS m)
  WHERE total > before
  ON CONFLICT (user_id, metric, day) DO NOTHING`;

/**
 * Keeps the newest day of each counter, however old: it has the counter's last total. SQLite keeps
 * to the order of a CROSS JOIN: from the counters of the page.
 */
const inOldDays = `(user_id, metric, day) IN (
  SELECT d.user_id, d.metric, d.day FROM (${page}) AS m
  CROSS JOIN usage_daily d ON d.user_id = m.user_id AND d.metric = m.metric AND d.day < ?3
  WHERE EXISTS (SELECT 1 FROM usage_daily n
                WHERE n.user_id = d.user_id AND n.metric = d.metric AND n.day > d.day))`;
const deleteDays = `DELETE FROM usage_daily WHERE ${inOldDays}`;

const insertMonths = `INSERT INTO usage_monthly (user_id, metric, month, amount)
  SELECT m.user_id, m.metric, ?1, SUM(d.amount) FROM (${page}) AS m
  CROSS JOIN usage_daily d ON d.user_id = m.user_id AND d.metric = m.metric
    AND d.day BETWEEN ?1 || '-01' AND ?1 || '-31'
  WHERE TRUE GROUP BY m.user_id, m.metric ON CONFLICT (user_id, metric, month) DO NOTHING`;

const advanceRollUp = `UPDATE usage_roll_ups AS r
  SET after_user = COALESCE(last.user_id, after_user),
      after_metric = COALESCE(last.metric, after_metric), finished = last.user_id IS NULL
  FROM (SELECT 1)
    LEFT JOIN (SELECT user_id, metric FROM (${page}) LIMIT 1 OFFSET ?2 - 1) AS last
  WHERE r.period = ?1 AND r.finished = 0 RETURNING finished`;

/** Which days a page deletes: those before a day, or rows that were read before. */
export type OldDays = { before: string } | { rows: readonly StoredRow[] };

/**
 * Rolls up one page of counters for a day: what each counted since it was last rolled up. Deletes
 * their old days.
 */
export async function rollUpDay(
  db: D1Database,
  day: string,
  old: OldDays,
  limit: number,
): Promise<RollUpPage> {
  return await rollUp(db, day, limit, {
    insert: db.prepare(insertDays).bind(day, limit),
    cleanUp: [
      "rows" in old
        ? deletionOf(db, dayRows, old.rows)
        : db.prepare(deleteDays).bind(day, limit, old.before),
    ],
  });
}

const dayRows = { table: "usage_daily", key: "user_id, metric, day" };

/** The days before one that the next page of counters would delete. */
export async function oldDaysOfPage(
  db: D1Database,
  day: string,
  before: string,
  limit: number,
): Promise<StoredRow[]> {
  const [, found] = await db.batch<StoredRow>([
    beginRollUp(db, day),
    db
      .prepare(`SELECT * FROM usage_daily WHERE ${inOldDays} ORDER BY user_id, metric, day`)
      .bind(day, limit, before),
  ]);
  return found?.results ?? [];
}

/**
 * Rolls up one page of counters for a month: the sum of its days. Must be called only when all days
 * of the month are rolled up.
 */
export async function rollUpMonth(
  db: D1Database,
  month: string,
  limit: number,
): Promise<RollUpPage> {
  return await rollUp(db, month, limit, {
    insert: db.prepare(insertMonths).bind(month, limit),
    cleanUp: [],
  });
}

const beginRollUp = (db: D1Database, period: string): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO usage_roll_ups (period, after_user, after_metric, finished)
       VALUES (?1, '', '', 0) ON CONFLICT (period) DO NOTHING`,
    )
    .bind(period);

/** Rolls up the next page of a period and stores how far it came, in one batch. */
async function rollUp(
  db: D1Database,
  period: string,
  limit: number,
  { insert, cleanUp }: { insert: D1PreparedStatement; cleanUp: D1PreparedStatement[] },
): Promise<RollUpPage> {
  const begin = beginRollUp(db, period);
  const advance = db.prepare(advanceRollUp).bind(period, limit);
  const replies = await runBatch(db, { begin, insert, cleanUp, advance });
  const [progress] = replies.advance.results as { finished: number }[];
  return {
    rolledUp: replies.insert.meta.changes,
    left: progress?.finished === 0,
  };
}

/** The next month to roll up, starting with the first month with usage. Null: no usage yet. */
export async function monthToRollUp(db: D1Database): Promise<string | null> {
  return await db
    .prepare(
      `SELECT COALESCE(
         (SELECT MIN(period) FROM usage_roll_ups WHERE LENGTH(period) = 7 AND finished = 0),
         (SELECT STRFTIME('%Y-%m', MAX(period) || '-01', '+1 month') FROM usage_roll_ups
          WHERE LENGTH(period) = 7),
         (SELECT SUBSTR(MIN(day), 1, 7) FROM usage_daily WHERE amount > 0)) AS month`,
    )
    .first<string>("month");
}

/**
 * Deletes the progress of the days before one. The progress of months stays: the newest month
 * determines the next one.
 */
export async function deleteDayProgress(db: D1Database, before: string): Promise<void> {
  await db
    .prepare("DELETE FROM usage_roll_ups WHERE period < ?1 AND LENGTH(period) = 10")
    .bind(before)
    .run();
}

/** How many counters are not rolled up for a day. It counts no further than `limit`. */
export async function countUnrolled(db: D1Database, day: string, limit: number): Promise<number> {
  const from = `usage_metrics
    WHERE (user_id, metric) > (SELECT after_user, after_metric FROM usage_roll_ups
                               WHERE period = ?1 AND finished = 0)`;
  return await countRows(db, from, [day, limit]);
}

/** Past months of before a time. */
export const oldMonths: ExpiringRows = {
  table: "usage_monthly",
  key: "user_id, metric, month",
  isOver: "month < strftime('%Y-%m', ?1 / 1000, 'unixepoch')",
};

/** Whether every counter is rolled up for a day. */
export async function isDayRolledUp(db: D1Database, day: string): Promise<boolean> {
  const finished = await db
    .prepare("SELECT finished FROM usage_roll_ups WHERE period = ?1")
    .bind(day)
    .first<number>("finished");
  return finished === 1;
}

/** SQL of what users used: by day and month, and by week for their reports. Days and months are UTC, as `2026-11-25` and `2026-11`. */

export type CounterKey = { userId: string; metric: string };

/** The counters after one, of (`?2`, `?3`). */
const page = "SELECT user_id, metric, amount FROM usage_metrics WHERE (user_id, metric) > (?2, ?3) ORDER BY user_id, metric LIMIT ?4";

function lastOfPage(db: D1Database, after: readonly [userId: string, metric: string, limit: number]): D1PreparedStatement {
  return db
    .prepare(
      "SELECT user_id AS userId, metric FROM usage_metrics WHERE (user_id, metric) > (?1, ?2) ORDER BY user_id, metric LIMIT 1 OFFSET ?3 - 1",
    )
    .bind(...after);
}

/**
 * Rolls up one page of counters for a day: what each counted since the day before that was rolled up. A counter whose day is there already
 * stays as it is, so that it may run again.
 *
 * @returns the last counter of the page, if another page follows
 */
export async function rollUpPage(
  db: D1Database,
  day: string,
  after: CounterKey | null,
  limit: number,
): Promise<{ rolledUp: number; next: CounterKey | null }> {
  const bound = [after?.userId ?? "", after?.metric ?? "", limit] as const;
  const [rolledUp, last] = await db.batch([
    db
      .prepare(
        `INSERT INTO usage_daily (user_id, metric, day, amount, total)
         SELECT m.user_id, m.metric, ?1, m.amount - COALESCE(
           (SELECT d.total FROM usage_daily d WHERE d.user_id = m.user_id AND d.metric = m.metric AND d.day < ?1 ORDER BY d.day DESC LIMIT 1), 0), m.amount
         FROM (${page}) AS m WHERE TRUE ON CONFLICT (user_id, metric, day) DO NOTHING`,
      )
      .bind(day, ...bound),
    lastOfPage(db, bound),
  ]);
  return { rolledUp: rolledUp?.meta.changes ?? 0, next: (last?.results[0] as CounterKey | undefined) ?? null };
}

/** The month up to which usage was rolled up, or else the first in which something was used: null if nothing was. */
export async function monthToRollUp(db: D1Database): Promise<string | null> {
  return await db
    .prepare(
      "SELECT COALESCE((SELECT MAX(month) FROM usage_monthly), (SELECT SUBSTR(MIN(day), 1, 7) FROM usage_daily WHERE amount > 0)) AS month",
    )
    .first<string>("month");
}

/** The last counter of a month that is rolled up: those that come after it may be missing. */
export async function lastOfMonth(db: D1Database, month: string): Promise<CounterKey | null> {
  return await db
    .prepare("SELECT user_id AS userId, metric FROM usage_monthly WHERE month = ?1 ORDER BY user_id DESC, metric DESC LIMIT 1")
    .bind(month)
    .first<CounterKey>();
}

/**
 * Rolls up one page of counters for a month: the sum of its days. Only once no day of it can be added any more. It may run again.
 *
 * @returns the last counter of the page, if another page follows
 */
export async function rollUpMonthPage(
  db: D1Database,
  month: string,
  after: CounterKey | null,
  limit: number,
): Promise<{ rolledUp: number; next: CounterKey | null }> {
  const bound = [after?.userId ?? "", after?.metric ?? "", limit] as const;
  const [rolledUp, last] = await db.batch([
    db
      .prepare(
        `INSERT INTO usage_monthly (user_id, metric, month, amount)
         SELECT m.user_id, m.metric, ?1, SUM(d.amount) FROM (${page}) AS m
         JOIN usage_daily d ON d.user_id = m.user_id AND d.metric = m.metric AND d.day BETWEEN ?1 || '-01' AND ?1 || '-31'
         WHERE TRUE GROUP BY m.user_id, m.metric ON CONFLICT (user_id, metric, month) DO NOTHING`,
      )
      .bind(month, ...bound),
    lastOfPage(db, bound),
  ]);
  return { rolledUp: rolledUp?.meta.changes ?? 0, next: (last?.results[0] as CounterKey | undefined) ?? null };
}

export type WeeklyUsage = { userId: string; email: string; metrics: { name: string; amount: number }[] };

/** Users who used something in a week and were not sent its report. `monday` and `sunday` are its first and last day. */
export async function unreportedUsage(db: D1Database, monday: string, sunday: string, limit: number): Promise<WeeklyUsage[]> {
  const { results } = await db
    .prepare(
      `SELECT w.user_id AS userId, u.email,
              (SELECT json_group_array(json_object('name', metric, 'amount', amount)) FROM (
                 SELECT metric, SUM(amount) AS amount FROM usage_daily d WHERE d.user_id = w.user_id AND d.day BETWEEN ?1 AND ?2
                 GROUP BY metric HAVING SUM(amount) > 0 ORDER BY metric LIMIT 50)) AS metrics
       FROM (SELECT DISTINCT user_id FROM usage_daily WHERE amount > 0 AND day BETWEEN ?1 AND ?2) AS w
       JOIN users u ON u.user_id = w.user_id AND u.email IS NOT NULL
       WHERE NOT EXISTS (SELECT 1 FROM usage_reports r WHERE r.user_id = w.user_id AND r.week = ?1) LIMIT ?3`,
    )
    .bind(monday, sunday, limit)
    .all<{ userId: string; email: string; metrics: string }>();
  return results.map(({ metrics, ...user }) => ({ ...user, metrics: JSON.parse(metrics) as WeeklyUsage["metrics"] }));
}

export async function markReported(db: D1Database, monday: string, userIds: string[]): Promise<void> {
  await db
    .prepare(
      "INSERT INTO usage_reports (user_id, week) SELECT value, ?2 FROM json_each(?1) WHERE TRUE ON CONFLICT (user_id, week) DO NOTHING",
    )
    .bind(JSON.stringify(userIds), monday)
    .run();
}

/** SQL of the weekly usage reports. */

export type WeeklyUsage = {
  userId: string;
  email: string;
  metrics: { name: string; amount: number }[];
};

/**
 * Users with usage in a week whose report was not sent. `monday` and `sunday`: the first and last
 * day of the week.
 */
export async function unreportedUsage(
  db: D1Database,
  monday: string,
  sunday: string,
  limit: number,
): Promise<WeeklyUsage[]> {
  const { results } = await db
    .prepare(
      `SELECT w.user_id AS userId, u.email,
              (SELECT json_group_array(json_object('name', metric, 'amount', amount)) FROM (
                 SELECT metric, SUM(amount) AS amount FROM usage_daily d
                 WHERE d.user_id = w.user_id AND d.day BETWEEN ?1 AND ?2
                 GROUP BY metric HAVING SUM(amount) > 0 ORDER BY metric LIMIT 50)) AS metrics
       FROM (SELECT DISTINCT user_id FROM usage_daily
             WHERE amount > 0 AND day BETWEEN ?1 AND ?2) AS w
       JOIN users u ON u.user_id = w.user_id AND u.email IS NOT NULL
       WHERE NOT EXISTS (SELECT 1 FROM usage_reports r
                         WHERE r.user_id = w.user_id AND r.week = ?1)
       LIMIT ?3`,
    )
    .bind(monday, sunday, limit)
    .all<{ userId: string; email: string; metrics: string }>();
  return results.map(({ metrics, ...user }) => ({
    ...user,
    metrics: JSON.parse(metrics) as WeeklyUsage["metrics"],
  }));
}

export async function markReported(
  db: D1Database,
  monday: string,
  userIds: string[],
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO usage_reports (user_id, week) SELECT value, ?2 FROM json_each(?1) WHERE TRUE
       ON CONFLICT (user_id, week) DO NOTHING`,
    )
    .bind(JSON.stringify(userIds), monday)
    .run();
}

/** Deletes which reports were sent for the weeks before one: at most `limit`. @returns how many */
export async function deleteReports(
  db: D1Database,
  monday: string,
  limit: number,
): Promise<number> {
  const { meta } = await db
    .prepare(
      `DELETE FROM usage_reports WHERE (user_id, week) IN (
         SELECT user_id, week FROM usage_reports WHERE week < ?1 ORDER BY week LIMIT ?2)`,
    )
    .bind(monday, limit)
    .run();
  return meta.changes;
}

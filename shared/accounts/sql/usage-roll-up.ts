/**
 * SQL of rolling the counters up into days and months. Both are UTC, as `2026-11-25` and `2026-11`.
 *
 * A page is one transaction that also notes how far it went: whatever is repeated, lost or
 * interrupted, each counter is rolled up once for each period.
 */

/** What a page came to: how many rows it wrote, and whether more counters follow. */
export type Page = { rolledUp: number; left: boolean };

/** The counters that come next for the period `?1`, at most `?2`: none once it is finished. */
const page = `SELECT user_id, metric, amount FROM usage_metrics
  WHERE (user_id, metric) > (SELECT after_user, after_metric FROM usage_roll_ups WHERE period = ?1 AND finished = 0)
  ORDER BY user_id, metric LIMIT ?2`;

/**
 * Rolls up one page of counters for a day: what each counted since it was rolled up last. What is
 * older than `keptFrom` goes.
 */
export async function rollUpDay(
  db: D1Database,
  day: string,
  keptFrom: string,
  limit: number,
): Promise<Page> {
  const last = `SELECT total FROM usage_daily d WHERE d.user_id = m.user_id AND d.metric = m.metric ORDER BY d.day DESC LIMIT 1`;
  return await rollUp(
    db,
    day,
    limit,
    db
      .prepare(
        `INSERT INTO usage_daily (user_id, metric, day, amount, total)
         SELECT user_id, metric, ?1, amount - before, amount
         FROM (SELECT m.user_id, m.metric, m.amount, COALESCE((${last}), 0) AS before FROM (${page}) AS m) WHERE amount <> before
         ON CONFLICT (user_id, metric, day) DO NOTHING`,
      )
      .bind(day, limit),
    // The newest day says what the counter was: it stays, however old it is.
    db
      .prepare(
        `DELETE FROM usage_daily WHERE (user_id, metric, day) IN (
           SELECT d.user_id, d.metric, d.day FROM (${page}) AS m
           JOIN usage_daily d ON d.user_id = m.user_id AND d.metric = m.metric AND d.day < ?3
           WHERE EXISTS (SELECT 1 FROM usage_daily n WHERE n.user_id = d.user_id AND n.metric = d.metric AND n.day > d.day))`,
      )
      .bind(day, limit, keptFrom),
  );
}

/**
 * Rolls up one page of counters for a month: the sum of its days. Only once no day of it can be
 * added any more.
 */
export async function rollUpMonth(db: D1Database, month: string, limit: number): Promise<Page> {
  return await rollUp(
    db,
    month,
    limit,
    db
      .prepare(
        `INSERT INTO usage_monthly (user_id, metric, month, amount)
         SELECT m.user_id, m.metric, ?1, SUM(d.amount) FROM (${page}) AS m
         JOIN usage_daily d ON d.user_id = m.user_id AND d.metric = m.metric AND d.day BETWEEN ?1 || '-01' AND ?1 || '-31'
         WHERE TRUE GROUP BY m.user_id, m.metric ON CONFLICT (user_id, metric, month) DO NOTHING`,
      )
      .bind(month, limit),
  );
}

/** Does `insert`, and `rest`, for the next page of a period, and notes how far that goes. */
async function rollUp(
  db: D1Database,
  period: string,
  limit: number,
  insert: D1PreparedStatement,
  ...rest: D1PreparedStatement[]
): Promise<Page> {
  const replies = await db.batch<{ finished: number }>([
    db
      .prepare(
        "INSERT INTO usage_roll_ups (period, after_user, after_metric, finished) VALUES (?1, '', '', 0) ON CONFLICT (period) DO NOTHING",
      )
      .bind(period),
    insert,
    ...rest,
    db
      .prepare(
        `UPDATE usage_roll_ups AS r SET after_user = COALESCE(last.user_id, after_user), after_metric = COALESCE(last.metric, after_metric),
           finished = last.user_id IS NULL
         FROM (SELECT 1) LEFT JOIN (SELECT user_id, metric FROM (${page}) LIMIT 1 OFFSET ?2 - 1) AS last
         WHERE r.period = ?1 AND r.finished = 0 RETURNING finished`,
      )
      .bind(period, limit),
  ]);
  return {
    rolledUp: replies[1]?.meta.changes ?? 0,
    left: replies.at(-1)?.results[0]?.finished === 0,
  };
}

/**
 * The first month that is not rolled up and in which something was used, or that follows such a
 * one: null if nothing was used yet.
 */
export async function monthToRollUp(db: D1Database): Promise<string | null> {
  return await db
    .prepare(
      `SELECT COALESCE(
         (SELECT MIN(period) FROM usage_roll_ups WHERE LENGTH(period) = 7 AND finished = 0),
         (SELECT STRFTIME('%Y-%m', MAX(period) || '-01', '+1 month') FROM usage_roll_ups WHERE LENGTH(period) = 7),
         (SELECT SUBSTR(MIN(day), 1, 7) FROM usage_daily WHERE amount > 0)) AS month`,
    )
    .first<string>("month");
}

/**
 * Forgets how far the days before one were rolled up. Months stay: the newest says which comes
 * next.
 */
export async function forgetDays(db: D1Database, before: string): Promise<void> {
  await db
    .prepare("DELETE FROM usage_roll_ups WHERE period < ?1 AND LENGTH(period) = 10")
    .bind(before)
    .run();
}

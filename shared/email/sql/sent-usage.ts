/** SQL that counts a user's sent emails in their usage, in the batch that makes them `sent`. */

const COUNTER = "emailsSent";
const USER = "user:";

/**
 * The statement that counts emails which a transport has now accepted, for the users whose keys
 * sent them. It comes before the statement that changes the emails. An email counts once, because
 * it is accepted once. One of a test key does not count: no transport gets it.
 *
 * @param accepted `from`: SQL with the rows of `emails` as `e`. `condition`: which of them are
 *   accepted by this batch. `bound`: the values of both, from `?1`
 */
export function countSent(
  db: D1Database,
  accepted: { from: string; condition: string; bound: readonly unknown[] },
  now: number,
): D1PreparedStatement {
  const { from, condition, bound } = accepted;
  const place = `?${bound.length + 1}`;
  return db
    .prepare(
      `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
       SELECT u.user_id, '${COUNTER}', COUNT(*), ${place} FROM ${from}
         JOIN users AS u ON u.user_id = SUBSTR(e.tenant, ${USER.length + 1})
       WHERE ${condition} AND SUBSTR(e.tenant, 1, ${USER.length}) = '${USER}'
         AND e.test = 0 AND u.deleted_at IS NULL
       GROUP BY u.user_id
       ON CONFLICT (user_id, metric) DO UPDATE
         SET amount = amount + excluded.amount, updated_at = excluded.updated_at`,
    )
    .bind(...bound, now);
}

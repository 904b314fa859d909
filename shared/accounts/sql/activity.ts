/** SQL of when users were last seen. */

/**
 * The precision of `last_seen_at`, in milliseconds. A write per request would cost more than the
 * request.
 */
export const SEEN_PRECISION_MS = 3_600_000;

/**
 * Records that a user was seen. Writes nothing if the stored time is within the precision or the
 * user was deleted.
 */
export async function noteSeen(db: D1Database, userId: string, now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO user_activity (user_id, last_seen_at)
       SELECT user_id, ?2 FROM users WHERE user_id = ?1 AND deleted_at IS NULL
       ON CONFLICT (user_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
         WHERE last_seen_at <= excluded.last_seen_at - ?3`,
    )
    .bind(userId, now, SEEN_PRECISION_MS)
    .run();
}

export type ActiveUser = { userId: string; apiKeyHash: string };

/** Users who were seen since a time, those who came last first. */
export async function activeUsers(
  db: D1Database,
  seenSince: number,
  limit: number,
): Promise<ActiveUser[]> {
  const { results } = await db
    .prepare(
      `SELECT a.user_id AS userId, u.api_key_hash AS apiKeyHash
       FROM user_activity a JOIN users u ON u.user_id = a.user_id
       WHERE a.last_seen_at >= ?1 AND u.api_key_hash IS NOT NULL
       ORDER BY a.last_seen_at DESC LIMIT ?2`,
    )
    .bind(seenSince, limit)
    .all<ActiveUser>();
  return results;
}

/** When a user was last seen, for a batch. */
export function selectLastSeen(db: D1Database, userId: string): D1PreparedStatement {
  return db
    .prepare("SELECT last_seen_at AS lastSeenAt FROM user_activity WHERE user_id = ?1")
    .bind(userId);
}

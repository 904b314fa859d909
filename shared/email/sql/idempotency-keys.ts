/** SQL of Idempotency-Keys. */

export type IdempotencyRecord = {
  tenant: string;
  key: string;
  requestHash: string;
  emailId: string;
  expiresAt: number;
};

/** A live record of the same tenant and key makes the whole batch fail. */
export function insertIdempotencyKey(
  db: D1Database,
  record: IdempotencyRecord,
  now: number,
): D1PreparedStatement[] {
  return [
    db
      .prepare("DELETE FROM idempotency_keys WHERE tenant = ?1 AND key = ?2 AND expires_at <= ?3")
      .bind(record.tenant, record.key, now),
    db
      .prepare(
        `INSERT INTO idempotency_keys (tenant, key, request_hash, email_id, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5)`,
      )
      .bind(record.tenant, record.key, record.requestHash, record.emailId, record.expiresAt),
  ];
}

export async function findIdempotencyKey(
  db: D1Database,
  tenant: string,
  key: string,
  now: number,
): Promise<{ requestHash: string; emailId: string; acceptedAt: number } | null> {
  return await db
    .prepare(
      `SELECT k.request_hash AS requestHash, k.email_id AS emailId, e.created_at AS acceptedAt
       FROM idempotency_keys k JOIN emails e ON e.id = k.email_id
       WHERE k.tenant = ?1 AND k.key = ?2 AND k.expires_at > ?3`,
    )
    .bind(tenant, key, now)
    .first();
}

export async function deleteExpiredIdempotencyKeys(
  db: D1Database,
  now: number,
  limit: number,
): Promise<number> {
  const done = await db
    .prepare(
      `DELETE FROM idempotency_keys WHERE (tenant, key) IN
         (SELECT tenant, key FROM idempotency_keys WHERE expires_at <= ?1 LIMIT ?2)`,
    )
    .bind(now, limit)
    .run();
  return done.meta.changes;
}

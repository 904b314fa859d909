import { runBatch } from "../../database/batch.ts";
import { countRows } from "../../database/expiring.ts";
import { isOver } from "./retention.ts";

/**
 * SQL of Idempotency-Keys. They are written with their emails: see `submissions.ts`. A key lives
 * for 24 h, and until 24 h after its email is over, so that a repeat is recognized while the email
 * waits.
 */

/** In milliseconds. */
export const KEPT_MS = 86_400_000;
/** A dead letter that has expired is deleted within hours. */
const HOUR_MS = 3_600_000;

/** SQL over a row `e` of `emails`: at the time `now` its key must not be forgotten. */
export const needsItsKey = (now: string): string => `CASE
  WHEN e.${isOver} THEN e.updated_at > ${now} - ${KEPT_MS}
  WHEN e.status = 'dead' THEN e.buried_at IS NULL
    OR EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.id = e.id)
  ELSE e.id IS NOT NULL END`;

/** SQL over a row `e` of `emails`: until when its key lives, for all that is known at `?1`. */
const livesUntil = `MAX(?1 + ${HOUR_MS}, ${KEPT_MS} + CASE
  WHEN e.${isOver} THEN e.updated_at
  WHEN e.status = 'dead'
    THEN COALESCE((SELECT d.expires_at FROM dead_letters AS d WHERE d.id = e.id), ?1)
  ELSE ?1 END)`;

const isExpired = "expires_at <= ?1";
const page = `SELECT tenant, key FROM idempotency_keys WHERE ${isExpired}
  ORDER BY expires_at LIMIT ?2`;

/**
 * Deletes keys that had expired at a time, and prolongs those whose email still needs them.
 *
 * @returns of how many keys: no fewer than `limit` if there are as many
 */
export async function deleteExpiredKeys(
  db: D1Database,
  until: number,
  limit: number,
): Promise<number> {
  const { prolonged, deleted } = await runBatch(db, {
    prolonged: db
      .prepare(
        `UPDATE idempotency_keys AS k SET expires_at = ${livesUntil}
         FROM emails AS e WHERE (k.tenant, k.key) IN (${page}) AND e.id = k.email_id
           AND ${needsItsKey("?1")}`,
      )
      .bind(until, limit),
    deleted: db
      .prepare(
        `DELETE FROM idempotency_keys WHERE (tenant, key) IN (${page}) AND NOT EXISTS (
           SELECT 1 FROM emails AS e WHERE e.id = email_id AND ${needsItsKey("?1")})`,
      )
      .bind(until, limit),
  });
  return prolonged.meta.changes + deleted.meta.changes;
}

/** How many keys had expired at a time, counted up to `limit`. */
export async function countExpiredKeys(
  db: D1Database,
  until: number,
  limit: number,
): Promise<number> {
  return await countRows(db, `idempotency_keys WHERE ${isExpired}`, [until, limit]);
}

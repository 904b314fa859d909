import { countRows } from "../../database/expiring.ts";

/**
 * SQL that deletes uploaded files. A row is marked before its object is deleted, and goes after
 * that: no email can name a file whose object is gone.
 */

const isExpired = "attachments WHERE expires_at <= ?1";

export type ExpiredFile = { id: string; createdAt: number };

/** Marks files that have expired, the oldest first, also those that were marked before. */
export async function markDeleting(
  db: D1Database,
  until: number,
  limit: number,
): Promise<ExpiredFile[]> {
  const { results } = await db
    .prepare(
      `UPDATE attachments SET status = 'deleting' WHERE id IN (
         SELECT id FROM ${isExpired} ORDER BY expires_at, id LIMIT ?2)
       RETURNING id, created_at AS createdAt`,
    )
    .bind(until, limit)
    .all<ExpiredFile>();
  return results;
}

/** Deletes the rows of files whose objects are gone. */
export async function deleteFiles(db: D1Database, files: readonly ExpiredFile[]): Promise<void> {
  await db
    .prepare(
      `DELETE FROM attachments
       WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'deleting'`,
    )
    .bind(JSON.stringify(files.map(({ id }) => id)))
    .run();
}

/** How many files have expired, counted up to `limit`. */
export async function countExpiredFiles(
  db: D1Database,
  until: number,
  limit: number,
): Promise<number> {
  return await countRows(db, isExpired, [until, limit]);
}

/** Which of some ids no file has. */
export async function idsWithoutFile(db: D1Database, ids: readonly string[]): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT value AS id FROM json_each(?1)
       WHERE NOT EXISTS (SELECT 1 FROM attachments AS a WHERE a.id = value)`,
    )
    .bind(JSON.stringify(ids))
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}

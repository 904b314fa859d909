import * as v from "valibot";
import type { PurgeMode, PurgeTags } from "../../lib/cache/index.ts";
import { countUpTo } from "../counted.ts";

/**
 * SQL of the purge outbox: purges that a write has made necessary and that the cache does not have
 * yet. No other file names the table.
 */

/** A purge in the outbox. `createdAt` in milliseconds since the epoch. */
export type PendingPurge = {
  id: string;
  tags: string[] | "everything";
  mode: PurgeMode;
  createdAt: number;
};

/**
 * A statement that adds a purge: for a purge without a write, or for the batch of a write that
 * takes place whenever its batch does.
 */
export function insertPurge(
  db: D1Database,
  { id, tags, mode, createdAt }: Omit<PendingPurge, "tags"> & { tags: PurgeTags },
): D1PreparedStatement {
  return db
    .prepare("INSERT INTO purge_intents (id, tags, mode, created_at) VALUES (?1, ?2, ?3, ?4)")
    .bind(id, JSON.stringify(tags), mode, createdAt);
}

/**
 * SQL that adds a hard purge in the batch of a write with a condition.
 *
 * @param row expressions of SQL. `tags` yields a JSON array; `from` is what follows the columns,
 *   such as `WHERE` and a condition, and adds nothing when it selects no row.
 */
export function insertPurgeSql(row: {
  id: string;
  tags: string;
  createdAt: string;
  from: string;
}): string {
  return `INSERT INTO purge_intents (id, tags, mode, created_at)
    SELECT ${row.id}, ${row.tags}, 'hard', ${row.createdAt} ${row.from}`;
}

/** SQL for the tags of a pending purge as a JSON array; NULL if there is no such purge. */
export function purgeTagsSql(id: string): string {
  return `(SELECT tags FROM purge_intents WHERE id = ${id})`;
}

export async function deletePurges(db: D1Database, ids: readonly string[]): Promise<void> {
  await db
    .prepare("DELETE FROM purge_intents WHERE id IN (SELECT value FROM json_each(?1))")
    .bind(JSON.stringify(ids))
    .run();
}

/**
 * How many purges are pending, at most one more than `COUNTED_UP_TO`. Until they are delivered,
 * isolates may serve older values.
 */
export async function countPurges(
  db: D1Database,
): Promise<{ pending: number; oldestAt: number | null }> {
  const row = await db
    .prepare(
      `SELECT ${countUpTo("purge_intents")} AS pending,
              (SELECT MIN(created_at) FROM purge_intents) AS oldestAt`,
    )
    .first<{ pending: number; oldestAt: number | null }>();
  return row ?? { pending: 0, oldestAt: null };
}

const storedTags = v.union([v.literal("everything"), v.array(v.string())]);

/** Purges that were created at `before` or earlier, oldest first. */
export async function listPurges(
  db: D1Database,
  before: number,
  limit: number,
): Promise<PendingPurge[]> {
  const { results } = await db
    .prepare(
      `SELECT id, tags, mode, created_at AS createdAt FROM purge_intents
       WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2`,
    )
    .bind(before, limit)
    .all<Omit<PendingPurge, "tags"> & { tags: string }>();
  return results.map((row) => ({ ...row, tags: v.parse(storedTags, JSON.parse(row.tags)) }));
}

import * as v from "valibot";
import type { PurgeTags, PurgeMode } from "../../lib/cache/index.ts";

/** SQL of the purges that writes owe the cache. */

export type Intent = {
  id: string;
  tags: string[] | "everything";
  mode: PurgeMode;
  createdAt: number;
};

/**
 * An intent for its own sake, or for the batch of a write that always takes place if the batch
 * does.
 */
export function insertIntent(
  db: D1Database,
  id: string,
  tags: PurgeTags,
  mode: PurgeMode,
  now: number,
): D1PreparedStatement {
  return db
    .prepare("INSERT INTO purge_intents (id, tags, mode, created_at) VALUES (?1, ?2, ?3, ?4)")
    .bind(id, JSON.stringify(tags), mode, now);
}

export async function deleteIntents(db: D1Database, ids: readonly string[]): Promise<void> {
  await db
    .prepare("DELETE FROM purge_intents WHERE id IN (SELECT value FROM json_each(?1))")
    .bind(JSON.stringify(ids))
    .run();
}

/** Purges that have not been delivered: while there are, isolates may serve what is old. */
export async function owedPurges(
  db: D1Database,
): Promise<{ owed: number; oldestAt: number | null }> {
  const row = await db
    .prepare("SELECT COUNT(*) AS owed, MIN(created_at) AS oldestAt FROM purge_intents")
    .first<{ owed: number; oldestAt: number | null }>();
  return row ?? { owed: 0, oldestAt: null };
}

const storedTags = v.union([v.literal("everything"), v.array(v.string())]);

/** Intents from before a time, oldest first. */
export async function listIntents(
  db: D1Database,
  before: number,
  limit: number,
): Promise<Intent[]> {
  const { results } = await db
    .prepare(
      "SELECT id, tags, mode, created_at AS createdAt FROM purge_intents WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2",
    )
    .bind(before, limit)
    .all<Omit<Intent, "tags"> & { tags: string }>();
  return results.map((row) => ({ ...row, tags: v.parse(storedTags, JSON.parse(row.tags)) }));
}

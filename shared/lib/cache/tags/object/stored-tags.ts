import { groupsWithin, MAX_BOUND } from "../../../base/sizes.ts";
import { neverPurged, type Meta, type PurgeMode, type TagPurge } from "../rules/sequence.ts";
import type { Purges } from "../rules/view.ts";

/**
 * SQL of the tag index, in the storage of its object: its tables, and the purges of tags. Lists are
 * bound as JSON: SQLite in an object takes at most 100 parameters.
 */

/** `attempts` of a reclaim: only the release before reads it. */
export function createTagTables(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS meta (
      id INTEGER PRIMARY KEY CHECK (id = 1), generation TEXT NOT NULL, seq INTEGER NOT NULL,
      floor INTEGER NOT NULL, soft_floor INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS tags (
      tag TEXT PRIMARY KEY, hard_seq INTEGER NOT NULL, soft_seq INTEGER NOT NULL,
      seq INTEGER NOT NULL, purged_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS tags_by_seq ON tags (seq);
    CREATE TABLE IF NOT EXISTS entries (
      key TEXT PRIMARY KEY, seq INTEGER NOT NULL, expires_at INTEGER NOT NULL, tags TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_at);
    CREATE TABLE IF NOT EXISTS members (
      tag TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (tag, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS reclaims (
      tag TEXT PRIMARY KEY, seq INTEGER NOT NULL, after TEXT NOT NULL,
      attempts INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;`);
}

/** @param generation the generation of a new index; an existing one keeps its own */
export function loadMeta(sql: SqlStorage, generation: string): Meta {
  sql.exec(
    `INSERT INTO meta (id, generation, seq, floor, soft_floor) VALUES (1, ?, 0, 0, 0)
     ON CONFLICT (id) DO NOTHING`,
    generation,
  );
  return sql.exec<Meta>(`SELECT generation, seq, floor, soft_floor AS softFloor FROM meta`).one();
}

export function saveMeta(sql: SqlStorage, { seq, floor, softFloor }: Meta): void {
  sql.exec("UPDATE meta SET seq = ?, floor = ?, soft_floor = ?", seq, floor, softFloor);
}

/** A soft purge does not undo a hard one: see `purgedTag` in `sequence.ts`. */
export function savePurge(
  sql: SqlStorage,
  { tags, mode, seq, now }: { tags: readonly string[]; mode: PurgeMode; seq: number; now: number },
): void {
  const column = mode === "hard" ? "hard_seq" : "soft_seq";
  sql.exec(
    `INSERT INTO tags (tag, hard_seq, soft_seq, seq, purged_at)
     SELECT DISTINCT value, ?2, ?3, ?4, ?5 FROM json_each(?1) WHERE TRUE
     ON CONFLICT (tag) DO UPDATE SET ${column} = excluded.${column}, seq = excluded.seq,
       purged_at = excluded.purged_at`,
    JSON.stringify(tags),
    mode === "hard" ? seq : 0,
    mode === "soft" ? seq : 0,
    seq,
    now,
  );
}

type PurgeRow = { tag: string; hard: number; soft: number };
const pairs = (rows: PurgeRow[]): [string, TagPurge][] =>
  rows.map(({ tag, hard, soft }) => [tag, { hard, soft }]);

/** All purges after `since`, or null if there are more than `limit`. */
export function purgesSince(sql: SqlStorage, since: number, limit: number): Purges | null {
  const rows = sql
    .exec<PurgeRow>(
      `SELECT tag, hard_seq AS hard, soft_seq AS soft FROM tags
       WHERE seq > ? ORDER BY seq LIMIT ?`,
      since,
      limit + 1,
    )
    .toArray();
  return rows.length > limit ? null : pairs(rows);
}

/** The last purges of all these tags, also of those that were never purged. */
export function purgesOf(sql: SqlStorage, tags: readonly string[]): Purges {
  const rows = groupsWithin(tags, MAX_BOUND).flatMap((group) =>
    sql
      .exec<PurgeRow>(
        `SELECT tag, hard_seq AS hard, soft_seq AS soft FROM tags
         WHERE tag IN (SELECT value FROM json_each(?))`,
        JSON.stringify(group),
      )
      .toArray(),
  );
  const known = new Map(pairs(rows));
  return tags.map((tag) => [tag, known.get(tag) ?? neverPurged]);
}

/**
 * Forgets tags that were last purged before a time, oldest first.
 *
 * @returns the greatest sequence that was forgotten; 0: none
 */
export function deleteOldTags(sql: SqlStorage, before: number, limit: number): number {
  // In the order of sequences: the new floor is above all that are forgotten, and no other.
  const oldest = sql.exec<{ seq: number; purgedAt: number }>(
    "SELECT seq, purged_at AS purgedAt FROM tags ORDER BY seq LIMIT ?",
    limit,
  );
  let upTo = 0;
  for (const { seq, purgedAt } of oldest) {
    if (purgedAt >= before) break;
    upTo = seq;
  }
  if (upTo > 0) sql.exec("DELETE FROM tags WHERE seq <= ?", upTo);
  return upTo;
}

/** Whether nothing is left that a later clean-up would delete. */
export function isEmpty(sql: SqlStorage): boolean {
  return (
    sql
      .exec<{ n: number }>(
        "SELECT EXISTS (SELECT 1 FROM entries) OR EXISTS (SELECT 1 FROM tags) AS n",
      )
      .one().n === 0
  );
}

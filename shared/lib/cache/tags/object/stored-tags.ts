import type { Stored, TagInspection } from "../rules/rpc.ts";
import { neverPurged, type Meta, type PurgeMode, type TagPurge } from "../rules/sequence.ts";
import { EVERYTHING, type Purges } from "../rules/view.ts";

/**
 * SQL of the tag index, in the storage of its object. Lists are bound as JSON: SQLite in an object
 * takes at most 100 parameters.
 */

export function createTables(sql: SqlStorage): void {
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

/** Notes that the entries under these tags from before `seq` are to be deleted from KV. */
export function saveReclaims(sql: SqlStorage, tags: readonly string[], seq: number): void {
  sql.exec(
    `INSERT INTO reclaims (tag, seq, after)
     SELECT DISTINCT value, ?2, '' FROM json_each(?1) WHERE TRUE
     ON CONFLICT (tag) DO UPDATE SET seq = excluded.seq, after = ''`,
    JSON.stringify(tags),
    seq,
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
  if (tags.length === 0) return [];
  const rows = sql
    .exec<PurgeRow>(
      `SELECT tag, hard_seq AS hard, soft_seq AS soft FROM tags
       WHERE tag IN (SELECT value FROM json_each(?))`,
      JSON.stringify(tags),
    )
    .toArray();
  const known = new Map(pairs(rows));
  return tags.map((tag) => [tag, known.get(tag) ?? neverPurged]);
}

/** Registers entries that are in KV. An older registration of a key does not undo a newer one. */
export function saveStored(sql: SqlStorage, stored: readonly Stored[]): void {
  if (stored.length === 0) return;
  // If a key comes twice, the last one counts.
  const json = JSON.stringify([...new Map(stored.map((entry) => [entry.key, entry])).values()]);
  const news = `SELECT value ->> 'key' AS key, value ->> 'seq' AS seq,
    value ->> 'expiresAt' AS expires_at, value ->> 'tags' AS tags FROM json_each(?1)`;
  // Tags may change from one write to the next.
  sql.exec(
    `DELETE FROM members WHERE (tag, key) IN (
       SELECT old.value, entries.key FROM (${news}) AS new, entries, json_each(entries.tags) AS old
       WHERE entries.key = new.key AND new.seq >= entries.seq
         AND old.value NOT IN (SELECT value FROM json_each(new.tags)))`,
    json,
  );
  sql.exec(
    `INSERT INTO entries (key, seq, expires_at, tags) SELECT * FROM (${news}) WHERE TRUE
     ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, expires_at = excluded.expires_at,
       tags = excluded.tags WHERE excluded.seq >= seq`,
    json,
  );
  sql.exec(
    `INSERT INTO members (tag, key)
     SELECT tag.value, new.key FROM (${news}) AS new, entries, json_each(new.tags) AS tag
     WHERE entries.key = new.key AND entries.seq = new.seq ON CONFLICT DO NOTHING`,
    json,
  );
}

type KeyRow = { key: string; seq: number; expiresAt: number };
const columns = "entries.key, entries.seq, entries.expires_at AS expiresAt";

/**
 * Keys under a tag, in order, that follow `after`: those that were given the tag, those that the
 * pattern matches, and the key itself. Each query walks an index in order, so the cost of a page does
 * not depend on how much is stored.
 */
export function keysUnder(sql: SqlStorage, tag: string, after: string, limit: number): KeyRow[] {
  if (tag === EVERYTHING)
    return sql
      .exec<KeyRow>(
        `SELECT ${columns} FROM entries WHERE key > ? ORDER BY key LIMIT ?`,
        after,
        limit,
      )
      .toArray();
  if (tag.endsWith(":*")) {
    const prefix = tag.slice(0, -1);
    // ";" follows ":".
    const from = after > prefix ? after : prefix;
    const to = `${prefix.slice(0, -1)};`;
    return sql
      .exec<KeyRow>(
        `SELECT ${columns} FROM entries WHERE key > ? AND key < ? ORDER BY key LIMIT ?`,
        from,
        to,
        limit,
      )
      .toArray();
  }
  const members = sql
    .exec<KeyRow>(
      `SELECT ${columns} FROM members CROSS JOIN entries ON entries.key = members.key
       WHERE members.tag = ? AND members.key > ? ORDER BY members.key LIMIT ?`,
      tag,
      after,
      limit,
    )
    .toArray();
  if (tag <= after) return members;
  const own = sql.exec<KeyRow>(`SELECT ${columns} FROM entries WHERE key = ?`, tag).toArray();
  return [...members, ...own]
    .toSorted((one, other) => (one.key < other.key ? -1 : 1))
    .slice(0, limit);
}

/** Forgets keys, except those that were stored again at `seq` or later. */
export function deleteKeys(sql: SqlStorage, keys: readonly string[], seq: number): void {
  const gone = "key IN (SELECT value FROM json_each(?1)) AND seq < ?2";
  const json = JSON.stringify(keys);
  sql.exec(
    `DELETE FROM members WHERE (tag, key) IN (
       SELECT tag.value, entry.key
       FROM (SELECT * FROM entries WHERE ${gone}) AS entry, json_each(entry.tags) AS tag)`,
    json,
    seq,
  );
  sql.exec(`DELETE FROM entries WHERE ${gone}`, json, seq);
}

/** A purge whose entries are still to be deleted from KV, from the key `after` on. */
export type Reclaim = { tag: string; seq: number; after: string };

export function nextReclaim(sql: SqlStorage): Reclaim | null {
  return (
    sql
      .exec<Reclaim>("SELECT tag, seq, after FROM reclaims ORDER BY attempts, seq LIMIT 1")
      .toArray()[0] ?? null
  );
}

export function advanceReclaim(sql: SqlStorage, { tag, seq }: Reclaim, after: string): void {
  sql.exec("UPDATE reclaims SET after = ? WHERE tag = ? AND seq = ?", after, tag, seq);
}

/**
 * Puts a purge behind those that were tried less often, so that one key that KV does not delete does
 * not stop other purges.
 */
export function postponeReclaim(sql: SqlStorage, { tag, seq }: Reclaim): void {
  sql.exec("UPDATE reclaims SET attempts = attempts + 1 WHERE tag = ? AND seq = ?", tag, seq);
}

export function deleteReclaim(sql: SqlStorage, { tag, seq }: Reclaim): void {
  sql.exec("DELETE FROM reclaims WHERE tag = ? AND seq = ?", tag, seq);
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

/** Forgets keys that KV itself has dropped. @returns how many */
export function deleteExpired(sql: SqlStorage, now: number, limit: number): number {
  const expired = sql
    .exec<{ key: string }>("SELECT key FROM entries WHERE expires_at <= ? LIMIT ?", now, limit)
    .toArray();
  if (expired.length > 0) {
    deleteKeys(
      sql,
      expired.map(({ key }) => key),
      Number.MAX_SAFE_INTEGER,
    );
  }
  return expired.length;
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

export function inspectTag(
  sql: SqlStorage,
  { seq, floor, softFloor }: Meta,
  { tag, limit, after }: { tag: string; limit: number; after: string },
): TagInspection {
  const [row] = sql
    .exec<{ hard: number; soft: number; purgedAt: number }>(
      "SELECT hard_seq AS hard, soft_seq AS soft, purged_at AS purgedAt FROM tags WHERE tag = ?",
      tag,
    )
    .toArray();
  // A purge of everything purges this tag, too.
  const hardSeq = Math.max(row?.hard ?? 0, floor);
  const softSeq = Math.max(row?.soft ?? 0, softFloor);
  const members = keysUnder(sql, tag, after, limit);
  const shown = members.map((member) => ({ ...member, purged: member.seq < hardSeq }));
  return { tag, seq, hardSeq, softSeq, purgedAt: row?.purgedAt ?? null, members: shown };
}

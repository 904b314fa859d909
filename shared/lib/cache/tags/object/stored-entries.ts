import { groupsWithin, MAX_BOUND } from "../../../base/sizes.ts";
import type { Stored, TagInspection } from "../rules/rpc.ts";
import type { Meta } from "../rules/sequence.ts";
import { EVERYTHING } from "../rules/view.ts";

/** SQL of the tag index: which keys are in KV, and under which tags. */

/** Registers entries that are in KV. An older registration of a key does not undo a newer one. */
export function saveStored(sql: SqlStorage, stored: readonly Stored[]): void {
  for (const group of groupsWithin(stored, MAX_BOUND)) saveGroup(sql, group);
}

function saveGroup(sql: SqlStorage, stored: readonly Stored[]): void {
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

export type KeyRow = { key: string; seq: number; expiresAt: number };
const columns = "entries.key, entries.seq, entries.expires_at AS expiresAt";

/**
 * Keys under a tag, in order, that follow `after`: those that were given the tag, those that the
 * pattern matches, and the key itself. Each query walks an index in order, so the cost of a page
 * does not depend on how much is stored.
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

function isPlain(tag: string): boolean {
  return tag !== EVERYTHING && !tag.endsWith(":*");
}

/** How many entries are under these tags, keys and patterns, counted up to `limit`. */
export function countUnder(sql: SqlStorage, tags: readonly string[], limit: number): number {
  const plain = JSON.stringify(tags.filter(isPlain));
  let count = 0;
  for (const [table, column] of [
    ["members", "tag"],
    ["entries", "key"],
  ])
    count += sql
      .exec<{ n: number }>(
        `SELECT count(*) AS n FROM (
           SELECT 1 FROM json_each(?) CROSS JOIN ${table} ON ${table}.${column} = value LIMIT ?)`,
        plain,
        limit,
      )
      .one().n;
  for (const tag of tags.filter((one) => !isPlain(one)))
    if (count < limit) count += keysUnder(sql, tag, "", limit - count).length;
  return Math.min(count, limit);
}

/**
 * Forgets entries, except those that were stored again since they were read. Their keys come from
 * SQLite, and a key that is not well-formed comes back as other text: `deleteSoonest` forgets it.
 */
export function deleteEntries(
  sql: SqlStorage,
  entries: readonly Pick<KeyRow, "key" | "seq">[],
): void {
  if (entries.length === 0) return;
  const gone = `SELECT value ->> 'key', value ->> 'seq' FROM json_each(?1)`;
  deleteWhere(sql, `(key, seq) IN (${gone})`, JSON.stringify(entries));
}

/**
 * Forgets entries that expire by a time, those that expire first before others. It compares keys
 * only within SQLite, so it deletes any row.
 *
 * @returns how many
 */
export function deleteSoonest(sql: SqlStorage, by: number, limit: number): number {
  const soonest = `key IN (
    SELECT key FROM entries WHERE expires_at <= ?1 ORDER BY expires_at, key LIMIT ?2)`;
  return deleteWhere(sql, soonest, by, limit);
}

function deleteWhere(sql: SqlStorage, condition: string, ...bindings: SqlStorageValue[]): number {
  sql.exec(
    `DELETE FROM members WHERE (tag, key) IN (
       SELECT tag.value, entry.key
       FROM (SELECT * FROM entries WHERE ${condition}) AS entry, json_each(entry.tags) AS tag)`,
    ...bindings,
  );
  return sql.exec(`DELETE FROM entries WHERE ${condition} RETURNING 1`, ...bindings).toArray()
    .length;
}

export function readTagInspection(
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

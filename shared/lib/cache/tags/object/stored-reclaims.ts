/** SQL of the tag index: purges whose entries are still to be deleted from KV. */

/**
 * A purge whose entries are still to be deleted from KV, from the key `after` on. `id`: the bytes
 * of the tag. A tag that is not well-formed comes back as other text, and only its bytes find it.
 */
export type Reclaim = { id: ArrayBuffer; tag: string; seq: number; after: string };

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

/**
 * The last of the reclaims that follow `from`, of at most `limit`. The primary key has their order,
 * so a page costs as much however many wait.
 */
export function endOfPage(sql: SqlStorage, from: ArrayBuffer, limit: number): ArrayBuffer | null {
  return sql
    .exec<{ id: ArrayBuffer | null }>(
      `SELECT CAST(max(tag) AS BLOB) AS id FROM (
         SELECT tag FROM reclaims WHERE tag > CAST(? AS TEXT) ORDER BY tag LIMIT ?)`,
      from,
      limit,
    )
    .one().id;
}

/** Deletes those of a page under which nothing is stored. @returns how many */
export function deleteUnused(sql: SqlStorage, from: ArrayBuffer, upTo: ArrayBuffer): number {
  return sql
    .exec(
      `DELETE FROM reclaims
       WHERE tag > CAST(? AS TEXT) AND tag <= CAST(? AS TEXT)
         AND tag <> '*' AND substr(tag, -2) <> ':*'
         AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.key = reclaims.tag)
         AND NOT EXISTS (SELECT 1 FROM members WHERE members.tag = reclaims.tag)
       RETURNING 1`,
      from,
      upTo,
    )
    .toArray().length;
}

export function listReclaims(
  sql: SqlStorage,
  { from, upTo, limit }: { from: ArrayBuffer; upTo: ArrayBuffer; limit: number },
): Reclaim[] {
  return sql
    .exec<Reclaim>(
      `SELECT CAST(tag AS BLOB) AS id, tag, seq, after FROM reclaims
       WHERE tag > CAST(? AS TEXT) AND tag <= CAST(? AS TEXT) ORDER BY tag LIMIT ?`,
      from,
      upTo,
      limit,
    )
    .toArray();
}

export function hasReclaims(sql: SqlStorage): boolean {
  return sql.exec<{ n: number }>("SELECT EXISTS (SELECT 1 FROM reclaims) AS n").one().n === 1;
}

/** A purge of the same tag that came meanwhile starts from its beginning, and stays. */
export function advanceReclaim(sql: SqlStorage, { id, seq }: Reclaim, after: string): void {
  sql.exec("UPDATE reclaims SET after = ? WHERE tag = CAST(? AS TEXT) AND seq = ?", after, id, seq);
}

export function deleteReclaim(sql: SqlStorage, { id, seq }: Reclaim): void {
  sql.exec("DELETE FROM reclaims WHERE tag = CAST(? AS TEXT) AND seq = ?", id, seq);
}

/**
 * Gives up the deletion of entries from KV, which drops them when they expire.
 *
 * @returns for how many tags
 */
export function deleteReclaims(sql: SqlStorage, limit: number): number {
  return sql
    .exec(
      `DELETE FROM reclaims WHERE tag IN (SELECT tag FROM reclaims ORDER BY tag LIMIT ?)
       RETURNING 1`,
      limit,
    )
    .toArray().length;
}

/**
 * SQL of rows that are deleted once their time is over. `isOver`: SQL over the table, with `?1` as
 * the time in milliseconds since the epoch. An index finds such rows. `key`: the primary key.
 */
export type ExpiringRows = { table: string; key: string; isOver: string };

type DeletedInBatches = {
  drainSome: (until: number, limit: number) => Promise<number>;
  count: (until: number, limit: number) => Promise<number>;
};

/** For `drainInBatches`. The table has no triggers: D1 would count what they change. */
export function deletedOnceOver(
  db: D1Database,
  { table, key, isOver }: ExpiringRows,
): DeletedInBatches {
  return {
    drainSome: async (until, limit) => {
      const { meta } = await db
        .prepare(
          `DELETE FROM ${table} WHERE (${key}) IN (
             SELECT ${key} FROM ${table} WHERE ${isOver} LIMIT ?2)`,
        )
        .bind(until, limit)
        .run();
      return meta.changes;
    },
    count: async (until, limit) => await countRows(db, `${table} WHERE ${isOver}`, [until, limit]),
  };
}

/**
 * How many rows there are, counted no further than the last of the values.
 *
 * @param from what follows FROM, with `?1` and so on for the values before the last one
 */
export async function countRows(
  db: D1Database,
  from: string,
  values: readonly (string | number)[],
): Promise<number> {
  const count = await db
    .prepare(`SELECT COUNT(*) AS n FROM (SELECT 1 FROM ${from} LIMIT ?${values.length})`)
    .bind(...values)
    .first<number>("n");
  return count ?? 0;
}

/** A row with all its columns, also those of a later release. */
export type StoredRow = Record<string, string | number | null>;

/** The oldest rows whose time was over. `order`: SQL of the index that finds them. */
export async function rowsThatAreOver(
  db: D1Database,
  { table, isOver }: ExpiringRows,
  order: string,
  { until, limit }: { until: number; limit: number },
): Promise<StoredRow[]> {
  const { results } = await db
    .prepare(`SELECT * FROM ${table} WHERE ${isOver} ORDER BY ${order} LIMIT ?2`)
    .bind(until, limit)
    .all<StoredRow>();
  return results;
}

/** Deletes rows by their keys. */
export function deletionOf(
  db: D1Database,
  { table, key }: Pick<ExpiringRows, "table" | "key">,
  rows: readonly StoredRow[],
): D1PreparedStatement {
  const columns = key.split(", ");
  const keys = rows.map((row) => columns.map((column) => row[column]));
  const values = columns.map((_, n) => `value ->> ${n}`).join(", ");
  return db
    .prepare(`DELETE FROM ${table} WHERE (${key}) IN (SELECT ${values} FROM json_each(?1))`)
    .bind(JSON.stringify(keys));
}

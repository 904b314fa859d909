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

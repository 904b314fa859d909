/**
 * A D1 where others act between what a request reads and what it writes: before each of its
 * batches, the first `times`.
 */
export function withOthers(db: D1Database, act: () => Promise<unknown>, times = 1): D1Database {
  let left = times;
  return {
    prepare: (sql: string) => db.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) => {
      if (left > 0) {
        left -= 1;
        await act();
      }
      return await db.batch(statements);
    },
  } as unknown as D1Database;
}

/** A D1 without room: SQLite's own text, by triggers on the real tables. */

const tablesOf = async (db: D1Database): Promise<string[]> => {
  const { results } = await db
    .prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table'
         AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'd1_*'`,
    )
    .all<{ name: string }>();
  return results.map(({ name }) => name);
};

/**
 * From now on the database takes no new row. Rows can be changed in place and deleted.
 *
 * @param isFull SQL of whether it still has no room
 */
export async function fillDatabase(db: D1Database, isFull = "TRUE"): Promise<void> {
  const tables = await tablesOf(db);
  await db.batch(
    tables.map((table) =>
      db.prepare(
        `CREATE TRIGGER full_${table} BEFORE INSERT ON ${table} WHEN ${isFull}
         BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
      ),
    ),
  );
}

/** It takes rows again. Nobody is notified of that. */
export async function makeRoom(db: D1Database): Promise<void> {
  const tables = await tablesOf(db);
  await db.batch(tables.map((table) => db.prepare(`DROP TRIGGER IF EXISTS full_${table}`)));
}

/** As if it had never been full. */
export async function forgetSizes(db: D1Database): Promise<void> {
  await makeRoom(db);
  await db.batch([
    db.prepare("DELETE FROM database_sizes"),
    db.prepare("UPDATE database_state SET refuses_new = 0, full_bytes = NULL"),
  ]);
}

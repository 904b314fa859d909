/** SQL of the fleet's counters, in their object's storage. A row per isolate, so that a report costs one write. */

export function createTables(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS isolates (id TEXT PRIMARY KEY, seen_at INTEGER NOT NULL, totals TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS ended (name TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT, WITHOUT ROWID;`);
}

/** Counters never go back: what an isolate said before is kept where that was more. */
export function saveReport(sql: SqlStorage, isolate: string, totals: Record<string, number>, now: number): void {
  const [row] = sql.exec<{ totals: string }>("SELECT totals FROM isolates WHERE id = ?", isolate).toArray();
  const before = row === undefined ? {} : (JSON.parse(row.totals) as Record<string, number>);
  for (const [name, total] of Object.entries(totals)) before[name] = Math.max(total, before[name] ?? 0);
  sql.exec(
    "INSERT INTO isolates (id, seen_at, totals) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET seen_at = ?2, totals = ?3",
    isolate,
    now,
    JSON.stringify(before),
  );
}

const sums = "SELECT each.key AS name, SUM(each.value) AS total FROM isolates, json_each(isolates.totals) AS each";

/** Adds what was counted by isolates that have ended to the sum of those, in one transaction of the caller's. */
export function foldEnded(sql: SqlStorage, before: number): void {
  sql.exec(
    `INSERT INTO ended (name, total) SELECT * FROM (${sums} WHERE seen_at < ? GROUP BY each.key) WHERE TRUE
     ON CONFLICT (name) DO UPDATE SET total = total + excluded.total`,
    before,
  );
  sql.exec("DELETE FROM isolates WHERE seen_at < ?", before);
}

export function readTotals(sql: SqlStorage): Record<string, number> {
  const rows = sql
    .exec<{ name: string; total: number }>(
      `SELECT name, SUM(total) AS total FROM (SELECT name, total FROM ended UNION ALL SELECT * FROM (${sums} GROUP BY each.key)) GROUP BY name`,
    )
    .toArray();
  return Object.fromEntries(rows.map(({ name, total }) => [name, total]));
}

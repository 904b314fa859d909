import { add, type SeriesCounts, type HistoryPoint } from "./rules/history.ts";
import type { WorkerName } from "./rules/metrics.ts";

/**
 * SQL of the fleet's counters, in their object's storage. One row per isolate and one per step, so
 * that a report needs few writes.
 */

const tables = `
  CREATE TABLE IF NOT EXISTS isolates (
    id TEXT PRIMARY KEY, seen_at INTEGER NOT NULL, totals TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS ended (
    name TEXT PRIMARY KEY, total INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS workers (
    name TEXT PRIMARY KEY, reported_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS points (
    step_ms INTEGER NOT NULL, at INTEGER NOT NULL, counts TEXT NOT NULL, PRIMARY KEY (step_ms, at)
  ) STRICT, WITHOUT ROWID;`;

export function createSeriesTables(sql: SqlStorage): void {
  sql.exec(tables);
}

/**
 * Stores the totals of an isolate. Counters never decrease: a lower total is ignored.
 *
 * @returns the increment of each series that has grown
 */
export function saveReport(
  sql: SqlStorage,
  isolate: string,
  totals: Record<string, number>,
  now: number,
): SeriesCounts {
  const [row] = sql
    .exec<{ totals: string }>("SELECT totals FROM isolates WHERE id = ?", isolate)
    .toArray();
  const known = row === undefined ? {} : (JSON.parse(row.totals) as Record<string, number>);
  const grown: SeriesCounts = {};
  for (const [name, total] of Object.entries(totals)) {
    const before = known[name] ?? 0;
    if (total <= before) continue;
    grown[name] = total - before;
    known[name] = total;
  }
  sql.exec(
    `INSERT INTO isolates (id, seen_at, totals) VALUES (?1, ?2, ?3)
     ON CONFLICT (id) DO UPDATE SET seen_at = ?2, totals = ?3`,
    isolate,
    now,
    JSON.stringify(known),
  );
  return grown;
}

const sums = `SELECT each.key AS name, SUM(each.value) AS total
  FROM isolates, json_each(isolates.totals) AS each`;

/** Adds the totals of ended isolates to their sum. To be called in a transaction. */
export function foldEnded(sql: SqlStorage, before: number): void {
  sql.exec(
    `INSERT INTO ended (name, total)
     SELECT * FROM (${sums} WHERE seen_at < ? GROUP BY each.key) WHERE TRUE
     ON CONFLICT (name) DO UPDATE SET total = total + excluded.total`,
    before,
  );
  sql.exec("DELETE FROM isolates WHERE seen_at < ?", before);
}

export function readTotals(sql: SqlStorage): Record<string, number> {
  const rows = sql
    .exec<{ name: string; total: number }>(
      `SELECT name, SUM(total) AS total
       FROM (SELECT name, total FROM ended UNION ALL SELECT * FROM (${sums} GROUP BY each.key))
       GROUP BY name`,
    )
    .toArray();
  return Object.fromEntries(rows.map(({ name, total }) => [name, total]));
}

export function countIsolates(sql: SqlStorage): number {
  return sql.exec<{ isolates: number }>("SELECT COUNT(*) AS isolates FROM isolates").one().isolates;
}

export function saveReportedAt(sql: SqlStorage, worker: WorkerName, now: number): void {
  sql.exec(
    `INSERT INTO workers (name, reported_at) VALUES (?1, ?2)
     ON CONFLICT (name) DO UPDATE SET reported_at = ?2`,
    worker,
    now,
  );
}

export function readReportedAt(sql: SqlStorage): Partial<Record<WorkerName, number>> {
  const rows = sql
    .exec<{ name: string; at: number }>("SELECT name, reported_at AS at FROM workers")
    .toArray();
  return Object.fromEntries(rows.map(({ name, at }) => [name, at]));
}

export function addToPoint(
  sql: SqlStorage,
  stepMs: number,
  at: number,
  counts: SeriesCounts,
): void {
  const [row] = sql
    .exec<{ counts: string }>("SELECT counts FROM points WHERE step_ms = ? AND at = ?", stepMs, at)
    .toArray();
  const all = row === undefined ? counts : add(JSON.parse(row.counts) as SeriesCounts, counts);
  sql.exec(
    `INSERT INTO points (step_ms, at, counts) VALUES (?1, ?2, ?3)
     ON CONFLICT (step_ms, at) DO UPDATE SET counts = ?3`,
    stepMs,
    at,
    JSON.stringify(all),
  );
}

/** Oldest first. */
export function readPoints(sql: SqlStorage, stepMs: number, from: number): HistoryPoint[] {
  return sql
    .exec<{ at: number; counts: string }>(
      "SELECT at, counts FROM points WHERE step_ms = ? AND at >= ? ORDER BY at",
      stepMs,
      from,
    )
    .toArray()
    .map(({ at, counts }) => ({ at, counts: JSON.parse(counts) as SeriesCounts }));
}

export function deletePoints(sql: SqlStorage, stepMs: number, before: number): void {
  sql.exec("DELETE FROM points WHERE step_ms = ? AND at < ?", stepMs, before);
}

import type { Watched } from "./rules/rpc.ts";

/** SQL of the watchdog, in its object's storage. */

export function createTables(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS watched (task TEXT PRIMARY KEY, due_by INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS told (task TEXT PRIMARY KEY, due_by INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS told_directly (task TEXT PRIMARY KEY, due_by INTEGER NOT NULL) STRICT, WITHOUT ROWID;`);
}

/** Replaces what is watched, in a transaction of the caller's. */
export function saveWatched(sql: SqlStorage, tasks: Watched[]): void {
  sql.exec("DELETE FROM watched");
  for (const { task, dueBy } of tasks)
    sql.exec("INSERT INTO watched (task, due_by) VALUES (?1, ?2)", task, dueBy);
}

export function readWatched(sql: SqlStorage): Watched[] {
  return sql.exec<Watched>("SELECT task, due_by AS dueBy FROM watched ORDER BY task").toArray();
}

/** Tasks of which D1 was told that they are overdue, and since when. */
export function readTold(sql: SqlStorage): Watched[] {
  return sql.exec<Watched>("SELECT task, due_by AS dueBy FROM told ORDER BY task").toArray();
}

export function saveTold(sql: SqlStorage, { task, dueBy }: Watched): void {
  sql.exec(
    "INSERT INTO told (task, due_by) VALUES (?1, ?2) ON CONFLICT (task) DO UPDATE SET due_by = ?2",
    task,
    dueBy,
  );
}

export function forgetTold(sql: SqlStorage, task: string): void {
  sql.exec("DELETE FROM told WHERE task = ?1", task);
}

/** Tasks of which the webhook was told past D1, which did not answer. */
export function readToldDirectly(sql: SqlStorage): Watched[] {
  return sql
    .exec<Watched>("SELECT task, due_by AS dueBy FROM told_directly ORDER BY task")
    .toArray();
}

export function saveToldDirectly(sql: SqlStorage, { task, dueBy }: Watched): void {
  sql.exec(
    "INSERT INTO told_directly (task, due_by) VALUES (?1, ?2) ON CONFLICT (task) DO UPDATE SET due_by = ?2",
    task,
    dueBy,
  );
}

export function forgetToldDirectly(sql: SqlStorage, task: string): void {
  sql.exec("DELETE FROM told_directly WHERE task = ?1", task);
}

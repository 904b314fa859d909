import type { Watched } from "./rules/rpc.ts";

/**
 * SQL of the watchdog, in its object's storage. The tables `told` and `told_directly` were released
 * under these names: the tasks whose being overdue was notified through D1, and without D1.
 */

const columns = "(task TEXT PRIMARY KEY, due_by INTEGER NOT NULL) STRICT, WITHOUT ROWID";

export function createDeadlineTables(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS watched ${columns};
    CREATE TABLE IF NOT EXISTS told ${columns};
    CREATE TABLE IF NOT EXISTS told_directly ${columns};
    CREATE TABLE IF NOT EXISTS told_by_d1 ${columns};
    CREATE TABLE IF NOT EXISTS recovering (task TEXT PRIMARY KEY, since INTEGER NOT NULL)
      STRICT, WITHOUT ROWID;`);
}

/** Replaces the watched tasks. To be called in a transaction. */
export function saveWatched(sql: SqlStorage, tasks: Watched[]): void {
  sql.exec("DELETE FROM watched");
  for (const { task, dueBy } of tasks)
    sql.exec("INSERT INTO watched (task, due_by) VALUES (?1, ?2)", task, dueBy);
}

export function readWatched(sql: SqlStorage): Watched[] {
  return sql.exec<Watched>("SELECT task, due_by AS dueBy FROM watched ORDER BY task").toArray();
}

/** `told_by_d1`: those of `told` whose notice D1 has delivered to the webhook. */
type NotifiedTable = "told" | "told_directly" | "told_by_d1";

/** Tasks that operators were notified of as overdue, with the deadline that they missed. */
export function readNotifiedTasks(sql: SqlStorage, table: NotifiedTable): Watched[] {
  return sql.exec<Watched>(`SELECT task, due_by AS dueBy FROM ${table} ORDER BY task`).toArray();
}

export function saveNotified(
  sql: SqlStorage,
  table: NotifiedTable,
  { task, dueBy }: Watched,
): void {
  sql.exec(
    `INSERT INTO ${table} (task, due_by) VALUES (?1, ?2)
     ON CONFLICT (task) DO UPDATE SET due_by = ?2`,
    task,
    dueBy,
  );
}

export function deleteNotified(sql: SqlStorage, table: NotifiedTable, task: string): void {
  sql.exec(`DELETE FROM ${table} WHERE task = ?1`, task);
}

/** Since when a task of `told_directly` is no longer overdue; null if it still is. */
export function recoveringSince(sql: SqlStorage, task: string): number | null {
  const [row] = sql
    .exec<{ since: number }>("SELECT since FROM recovering WHERE task = ?1", task)
    .toArray();
  return row?.since ?? null;
}

/** @param since null: the task is overdue again, or its recovery was notified */
export function saveRecovering(sql: SqlStorage, task: string, since: number | null): void {
  if (since === null) sql.exec("DELETE FROM recovering WHERE task = ?1", task);
  else
    sql.exec(
      "INSERT INTO recovering (task, since) VALUES (?1, ?2) ON CONFLICT (task) DO NOTHING",
      task,
      since,
    );
}

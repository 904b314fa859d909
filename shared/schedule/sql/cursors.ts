/** SQL of how far tasks have come through tables. */

/** `id`: of the last row that is done. `finished`: no row follows. */
export type TaskCursor = { id: string; finished: boolean };

/** How far a walk has come; the beginning if it was about something else. */
export async function readCursor(db: D1Database, name: string, scope: string): Promise<TaskCursor> {
  const row = await db
    .prepare("SELECT id, finished FROM task_cursors WHERE name = ?1 AND scope = ?2")
    .bind(name, scope)
    .first<{ id: string; finished: number }>();
  return row === null ? { id: "", finished: false } : { id: row.id, finished: row.finished === 1 };
}

export async function saveCursor(
  db: D1Database,
  name: string,
  scope: string,
  { id, finished }: TaskCursor,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO task_cursors (name, scope, at, id, finished) VALUES (?1, ?2, 0, ?3, ?4)
       ON CONFLICT (name) DO UPDATE SET scope = excluded.scope, at = 0, id = excluded.id,
         finished = excluded.finished`,
    )
    .bind(name, scope, id, finished ? 1 : 0)
    .run();
}

/** SQL of built-in tasks that an operator has paused. */

export async function pausedTasks(
  db: D1Database,
  tasks: readonly string[],
): Promise<Map<string, number>> {
  const { results } = await db
    .prepare(
      `SELECT task, paused_at AS pausedAt FROM task_states
       WHERE task IN (SELECT value FROM json_each(?1)) AND paused_at IS NOT NULL`,
    )
    .bind(JSON.stringify(tasks))
    .all<{ task: string; pausedAt: number }>();
  return new Map(results.map(({ task, pausedAt }) => [task, pausedAt]));
}

/** Pauses a task, or resumes it. One that is paused already stays so since then. */
export async function setTaskPaused(
  db: D1Database,
  task: string,
  pausedAt: number | null,
): Promise<void> {
  await db
    .prepare(
      `UPDATE task_states SET paused_at = iif(?2 IS NULL, NULL, COALESCE(paused_at, ?2))
       WHERE task = ?1`,
    )
    .bind(task, pausedAt)
    .run();
}

/** Whether a built-in task has that name. */
export async function isTaskName(db: D1Database, name: string): Promise<boolean> {
  const row = await db
    .prepare("SELECT 1 FROM task_states WHERE task = ?1 AND retired_at IS NULL")
    .bind(name)
    .first();
  return row !== null;
}

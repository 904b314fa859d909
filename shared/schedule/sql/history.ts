import { countRows, type StoredRow } from "../../database/expiring.ts";
import type { Cursor } from "../../http/lists.ts";
import type { FailedAttempt } from "../rules/attempts.ts";
import type { TaskError, Trigger } from "../rules/runs.ts";

/** SQL that reads and deletes the history of runs. */

export type RunRow = {
  runId: string;
  executionId: string;
  task: string;
  trigger: Trigger;
  scheduledAt: number;
  attempt: number;
  status: "running" | "success" | "failure" | "skipped" | "missed";
  startedAt: number;
  endedAt: number | null;
  result: unknown;
  error: TaskError | null;
  failedAttempts: FailedAttempt[];
  missedUntil: number | null;
  missedCount: number | null;
};

type StoredRun = Omit<RunRow, "result" | "error" | "failedAttempts"> & {
  result: string | null;
  error: string | null;
  failedAttempts: string | null;
};

const columns = `run_id AS runId, execution_id AS executionId, task, trigger,
  scheduled_at AS scheduledAt, attempt, status, started_at AS startedAt, ended_at AS endedAt,
  result, error, failed_attempts AS failedAttempts, missed_until AS missedUntil,
  missed_count AS missedCount`;

function runRow({ result, error, failedAttempts, ...row }: StoredRun): RunRow {
  return {
    ...row,
    result: result === null ? null : (JSON.parse(result) as unknown),
    error: error === null ? null : (JSON.parse(error) as TaskError),
    failedAttempts: JSON.parse(failedAttempts ?? "[]") as FailedAttempt[],
  };
}

type ExecutionRow = {
  id: string;
  trigger: Trigger;
  startedAt: number;
  endedAt: number | null;
  total: number;
  successful: number;
  failed: number;
};

export type History = {
  /** All executions in the history. */
  executions: number;
  failedExecutions: number;
  recent: (ExecutionRow & { runs: RunRow[] })[];
};

/** One page of executions with their runs, newest first, and how many there are in all. */
export async function readHistory(
  db: D1Database,
  before: Cursor | null,
  limit: number,
): Promise<History> {
  const [counts, executions, runs] = await db.batch([
    db.prepare(
      "SELECT executions, failed AS failedExecutions FROM task_execution_counts WHERE id = 1",
    ),
    db.prepare(page).bind(before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit),
    db
      .prepare(
        `SELECT ${columns} FROM task_runs WHERE execution_id IN (SELECT id FROM (${page}))
         ORDER BY task, scheduled_at`,
      )
      .bind(before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit),
  ]);
  const rows = ((runs?.results ?? []) as StoredRun[]).map(runRow);
  const { executions: count, failedExecutions } = (counts?.results[0] ?? {
    executions: 0,
    failedExecutions: 0,
  }) as Omit<History, "recent">;
  return {
    executions: count,
    failedExecutions,
    recent: ((executions?.results ?? []) as ExecutionRow[]).map((one) => ({
      ...one,
      runs: rows.filter((run) => run.executionId === one.id),
    })),
  };
}

const page = `SELECT execution_id AS id, trigger, started_at AS startedAt, ended_at AS endedAt,
    total, successful, failed
  FROM task_executions WHERE (started_at, execution_id) < (?1, ?2)
  ORDER BY started_at DESC, execution_id DESC LIMIT ?3`;

/** The newest run of each task that has one, running or ended. */
export async function lastRuns(db: D1Database, tasks: string[]): Promise<RunRow[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM json_each(?1) AS t JOIN task_runs ON run_id =
         (SELECT run_id FROM task_runs
          WHERE task = t.value AND status IN ('running', 'success', 'failure')
          ORDER BY started_at DESC LIMIT 1)`,
    )
    .bind(JSON.stringify(tasks))
    .all<StoredRun>();
  return results.map(runRow);
}

/** How many runs repeat a failed run. */
export async function countRetries(db: D1Database, runId: string): Promise<number> {
  const count = await db
    .prepare("SELECT COUNT(*) AS count FROM task_runs WHERE retry_of = ?1")
    .bind(runId)
    .first<number>("count");
  return count ?? 0;
}

export async function findRun(db: D1Database, runId: string): Promise<RunRow | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM task_runs WHERE run_id = ?1`)
    .bind(runId)
    .first<StoredRun>();
  return row === null ? null : runRow(row);
}

/** SQL over `task_executions`: it started before `?1` and has ended. */
const isOld = "started_at < ?1 AND ended_at IS NOT NULL";

/** How many executions can be deleted that started before a time, counted up to `limit`. */
export async function countOldExecutions(
  db: D1Database,
  startedBefore: number,
  limit: number,
): Promise<number> {
  return await countRows(db, `task_executions WHERE ${isOld}`, [startedBefore, limit]);
}

/** An execution with its runs, with all their columns. */
export type ExportedExecution = { execution: StoredRow; runs: StoredRow[] };

/** The oldest executions that `deleteExecutions` would delete. */
export async function oldExecutions(
  db: D1Database,
  startedBefore: number,
  limit: number,
): Promise<ExportedExecution[]> {
  const old = `SELECT execution_id FROM task_executions
    WHERE ${isOld} ORDER BY started_at, execution_id LIMIT ?2`;
  const [executions, runs] = await db.batch<StoredRow>([
    db
      .prepare(`SELECT * FROM task_executions WHERE ${isOld} ORDER BY started_at, execution_id
                LIMIT ?2`)
      .bind(startedBefore, limit),
    db.prepare(`SELECT * FROM task_runs WHERE execution_id IN (${old})`).bind(startedBefore, limit),
  ]);
  const byExecution = Map.groupBy(runs?.results ?? [], (run) => run["execution_id"]);
  return (executions?.results ?? []).map((execution) => ({
    execution,
    runs: byExecution.get(execution["execution_id"]) ?? [],
  }));
}

/** Deletes these executions with their runs. @returns how many there were */
export async function deleteTheseExecutions(
  db: D1Database,
  executions: readonly ExportedExecution[],
): Promise<number> {
  const ids = JSON.stringify(executions.map(({ execution }) => execution["execution_id"]));
  const these = "execution_id IN (SELECT value FROM json_each(?1))";
  const [, deleted] = await db.batch([
    db.prepare(`DELETE FROM task_runs WHERE ${these}`).bind(ids),
    db.prepare(`DELETE FROM task_executions WHERE ${these} RETURNING execution_id`).bind(ids),
  ]);
  return deleted?.results.length ?? 0;
}

/**
 * Deletes the oldest executions that started before a time and have ended, with their runs.
 *
 * @returns how many executions
 */
export async function deleteExecutions(
  db: D1Database,
  startedBefore: number,
  limit: number,
): Promise<number> {
  const old = `SELECT execution_id FROM task_executions
    WHERE ${isOld} ORDER BY started_at LIMIT ?2`;
  const [, deleted] = await db.batch([
    db.prepare(`DELETE FROM task_runs WHERE execution_id IN (${old})`).bind(startedBefore, limit),
    db
      .prepare(`DELETE FROM task_executions WHERE execution_id IN (${old}) RETURNING execution_id`)
      .bind(startedBefore, limit),
  ]);
  // `meta.changes` also counts what the table's triggers change.
  return deleted?.results.length ?? 0;
}

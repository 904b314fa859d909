import { FIRST_SLOT_MS, type Owed, type Standing } from "../rules/due.ts";
import type { TaskError, Trigger } from "../rules/runs.ts";

/** SQL of claiming and finishing the runs of scheduled tasks. */

export type TaskState = Standing & { task: string };

/**
 * Where each task stands, also those that are no longer registered until that is written down. One
 * that was never seen is first seen now: what lay before that was not missed.
 */
export async function taskStates(
  db: D1Database,
  tasks: { name: string; cron: string }[],
  now: number,
): Promise<TaskState[]> {
  const registered = JSON.stringify(tasks.map(({ name, cron }) => ({ name, cron })));
  const [, states] = await db.batch<TaskState>([
    db
      .prepare(
        `INSERT INTO task_states (task, last_slot, first_seen_at, cron)
         SELECT value ->> 'name', ?2 - ?3, ?2, value ->> 'cron' FROM json_each(?1) WHERE TRUE ON CONFLICT (task) DO NOTHING`,
      )
      .bind(registered, now, FIRST_SLOT_MS),
    db
      .prepare(
        `SELECT task, last_slot AS lastSlot, cron, retired_at AS retiredAt FROM task_states
         WHERE retired_at IS NULL OR task IN (SELECT value ->> 'name' FROM json_each(?1))`,
      )
      .bind(registered),
  ]);
  return states?.results ?? [];
}

/**
 * What a task owes. `was`: where it stood when that was found out. `mayOverlap`: another run of it
 * may still be going on.
 */
export type Claim = Owed & {
  task: string;
  runId: string;
  missedId: string;
  was: Standing;
  leaseExpiresAt: number;
  mayOverlap: boolean;
};

/**
 * Claims slots, in one batch: what is due runs, or is skipped while the run before it goes on, and
 * what was missed stands in the history. A claim whose task has moved on since changes nothing, so
 * that of two triggers for the same slot one runs it; nor is a slot run again that a clock which
 * was ahead has run. Safe to repeat when its reply was lost.
 *
 * @returns what the execution has: runs that it is to do, that are skipped, and rows of what was
 *   missed
 */
export async function claimSlots(
  db: D1Database,
  executionId: string,
  claims: Claim[],
  now: number,
): Promise<{ id: string; status: "running" | "skipped" | "missed" }[]> {
  const wanted = JSON.stringify(claims);
  const from = `json_each(?1) AS c JOIN task_states AS s ON s.task = c.value ->> 'task' AND ${isAsItWas}`;
  const goesOn =
    "c.value ->> 'mayOverlap' = 0 AND EXISTS (SELECT 1 FROM task_runs r WHERE r.task = s.task AND r.status = 'running')";
  const replies = await db.batch([
    ...abandon(db, now),
    db
      .prepare(
        `INSERT INTO task_executions (execution_id, trigger, started_at, total) SELECT ?2, 'cron', ?3, 0
         WHERE EXISTS (SELECT 1 FROM ${from} WHERE COALESCE(c.value ->> 'slot', c.value ->> 'missed') IS NOT NULL)
         ON CONFLICT (execution_id) DO NOTHING`,
      )
      .bind(wanted, executionId, now),
    db
      .prepare(
        `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status, started_at, ended_at, missed_until, missed_count)
         SELECT c.value ->> 'missedId', ?2, s.task, 'cron', c.value -> 'missed' ->> 'from', 'missed', ?3, ?3,
                c.value -> 'missed' ->> 'until', c.value -> 'missed' ->> 'count'
         FROM ${from} WHERE c.value ->> 'missed' IS NOT NULL`,
      )
      .bind(wanted, executionId, now),
    db
      .prepare(
        `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, status, started_at, lease_expires_at, ended_at)
         SELECT c.value ->> 'runId', ?2, s.task, 'cron', c.value ->> 'slot', CASE WHEN ${goesOn} THEN 'skipped' ELSE 'running' END, ?3,
                CASE WHEN ${goesOn} THEN NULL ELSE c.value ->> 'leaseExpiresAt' END, CASE WHEN ${goesOn} THEN ?3 END
         FROM ${from} WHERE c.value ->> 'slot' IS NOT NULL ON CONFLICT DO NOTHING`,
      )
      .bind(wanted, executionId, now),
    db
      .prepare(
        `UPDATE task_states AS s SET last_slot = c.value -> 'next' ->> 'lastSlot', cron = c.value -> 'next' ->> 'cron',
           retired_at = c.value -> 'next' ->> 'retiredAt'
         FROM json_each(?1) AS c WHERE s.task = c.value ->> 'task' AND ${isAsItWas}`,
      )
      .bind(wanted),
    sumUp(db, "execution_id = ?1", executionId, now),
    db
      .prepare(
        "SELECT run_id AS id, status FROM task_runs WHERE execution_id = ?1 AND status IN ('running', 'skipped', 'missed')",
      )
      .bind(executionId),
  ]);
  return (replies.at(-1)?.results ?? []) as {
    id: string;
    status: "running" | "skipped" | "missed";
  }[];
}

const isAsItWas = `s.last_slot = c.value -> 'was' ->> 'lastSlot' AND s.cron IS c.value -> 'was' ->> 'cron'
                   AND s.retired_at IS c.value -> 'was' ->> 'retiredAt'`;

export type NewRun = {
  runId: string;
  executionId: string;
  task: string;
  trigger: Trigger;
  attempt: number;
  leaseExpiresAt: number;
};

/**
 * Begins a run that somebody asked for. It may overlap with others: whoever asks knows why. Safe to
 * repeat when its reply was lost.
 */
export async function beginRun(db: D1Database, run: NewRun, now: number): Promise<void> {
  await db.batch([
    ...abandon(db, now),
    db
      .prepare(
        "INSERT INTO task_executions (execution_id, trigger, started_at, total) VALUES (?1, ?2, ?3, 1) ON CONFLICT (execution_id) DO NOTHING",
      )
      .bind(run.executionId, run.trigger, now),
    db
      .prepare(
        `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, attempt, status, started_at, lease_expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'running', ?5, ?7) ON CONFLICT (run_id) DO NOTHING`,
      )
      .bind(
        run.runId,
        run.executionId,
        run.task,
        run.trigger,
        now,
        run.attempt,
        run.leaseExpiresAt,
      ),
  ]);
}

const abandoned = JSON.stringify({
  message: "abandoned: it did not end within its lease",
} satisfies TaskError);

/** Whoever ran these is gone: they have failed, and hold up nothing any more. */
function abandon(db: D1Database, now: number): D1PreparedStatement[] {
  return [
    db
      .prepare(
        "UPDATE task_runs SET status = 'failure', ended_at = ?1, lease_expires_at = NULL, error = ?2 WHERE status = 'running' AND lease_expires_at <= ?1",
      )
      .bind(now, abandoned),
    // Those that it has just ended have no lease any more.
    sumUp(db, "ended_at IS NULL AND ?1 = ?1", "all", now),
  ];
}

const count = (condition: string): string =>
  `(SELECT COUNT(*) FROM task_runs r WHERE r.execution_id = task_executions.execution_id AND ${condition})`;

/** Counts the runs of executions anew: however often, and in which order, they end. */
function sumUp(db: D1Database, which: string, bound: string, now: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE task_executions SET total = ${count("r.status IN ('running', 'success', 'failure')")}, successful = ${count("r.status = 'success'")},
         failed = ${count("r.status = 'failure'")}, ended_at = CASE WHEN ${count("r.status = 'running'")} = 0 THEN COALESCE(ended_at, ?2) END
       WHERE ${which}`,
    )
    .bind(bound, now);
}

export type Ending = {
  runId: string;
  executionId: string;
  status: "success" | "failure";
  result: unknown;
  error: TaskError | null;
};

/**
 * Records how a run ended. One that was abandoned meanwhile stays so: its late result is not
 * believed. Safe to repeat when its reply was lost.
 */
export async function finishRun(
  db: D1Database,
  { runId, executionId, status, result, error }: Ending,
  now: number,
): Promise<void> {
  await db.batch([
    db
      .prepare(
        `UPDATE task_runs SET status = ?2, ended_at = ?3, lease_expires_at = NULL, result = ?4, error = ?5
         WHERE run_id = ?1 AND status = 'running'`,
      )
      .bind(
        runId,
        status,
        now,
        result === undefined ? null : JSON.stringify(result),
        error === null ? null : JSON.stringify(error),
      ),
    sumUp(db, "execution_id = ?1", executionId, now),
  ]);
}

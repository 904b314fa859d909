import { runBatch } from "../../database/batch.ts";
import type { FailedAttempt } from "../rules/attempts.ts";
import { FIRST_SLOT_MS, type DueRun, type ScheduleState } from "../rules/due.ts";
import type { TaskError, Trigger } from "../rules/runs.ts";

/** SQL that claims and finishes the runs of scheduled tasks. */

export type TaskState = ScheduleState & { task: string };

/**
 * The schedule state of each task, including removed tasks until their end is recorded. An unknown
 * task is first seen now, so that its earlier slots do not count as missed.
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
         SELECT value ->> 'name', ?2 - ?3, ?2, value ->> 'cron'
         FROM json_each(?1) WHERE TRUE ON CONFLICT (task) DO NOTHING`,
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
 * A due run to be claimed. `readState`: the state for which it is due. `mayOverlap`: it may run
 * beside an earlier run of the task.
 */
export type SlotClaim = DueRun & {
  task: string;
  runId: string;
  missedId: string;
  readState: ScheduleState;
  leaseExpiresAt: number;
  mayOverlap: boolean;
};

/** A row of `task_runs` that a claim has inserted. */
export type ClaimedRow = { id: string; status: "running" | "skipped" | "missed" };

const isUnchanged = `s.last_slot = c.value -> 'readState' ->> 'lastSlot'
  AND s.cron IS c.value -> 'readState' ->> 'cron'
  AND s.retired_at IS c.value -> 'readState' ->> 'retiredAt'`;

/** The claims of `?1` whose task is still in the state that was read. */
const claimable = `json_each(?1) AS c
  JOIN task_states AS s ON s.task = c.value ->> 'task' AND ${isUnchanged}`;

const mustSkip = `(s.paused_at IS NOT NULL OR (c.value ->> 'mayOverlap' = 0
  AND EXISTS (SELECT 1 FROM task_runs r WHERE r.task = s.task AND r.status = 'running')))`;

const insertExecution = `INSERT INTO task_executions (execution_id, trigger, started_at, total)
  SELECT ?2, 'cron', ?3, 0
  WHERE EXISTS (SELECT 1 FROM ${claimable}
                WHERE COALESCE(c.value ->> 'slot', c.value ->> 'missed') IS NOT NULL)
  ON CONFLICT (execution_id) DO NOTHING`;

const insertMissed = `INSERT INTO task_runs
    (run_id, execution_id, task, trigger, scheduled_at, status, started_at, ended_at,
     missed_until, missed_count)
  SELECT c.value ->> 'missedId', ?2, s.task, 'cron', c.value -> 'missed' ->> 'from', 'missed',
         ?3, ?3, c.value -> 'missed' ->> 'until', c.value -> 'missed' ->> 'count'
  FROM ${claimable} WHERE c.value ->> 'missed' IS NOT NULL`;

const insertRuns = `INSERT INTO task_runs
    (run_id, execution_id, task, trigger, scheduled_at, status, started_at, lease_expires_at,
     ended_at)
  SELECT c.value ->> 'runId', ?2, s.task, 'cron', c.value ->> 'slot',
         CASE WHEN ${mustSkip} THEN 'skipped' ELSE 'running' END, ?3,
         CASE WHEN ${mustSkip} THEN NULL ELSE c.value ->> 'leaseExpiresAt' END,
         CASE WHEN ${mustSkip} THEN ?3 END
  FROM ${claimable} WHERE c.value ->> 'slot' IS NOT NULL ON CONFLICT DO NOTHING`;

const updateStates = `UPDATE task_states AS s
  SET last_slot = c.value -> 'next' ->> 'lastSlot', cron = c.value -> 'next' ->> 'cron',
      retired_at = c.value -> 'next' ->> 'retiredAt'
  FROM json_each(?1) AS c WHERE s.task = c.value ->> 'task' AND ${isUnchanged}`;

const selectClaimed = `SELECT run_id AS id, status FROM task_runs
  WHERE execution_id = ?1 AND status IN ('running', 'skipped', 'missed')`;

/**
 * Claims slots in one batch: a due slot is run, or skipped while an earlier run of its task is
 * running or the task is paused, and missed slots are recorded. A claim changes nothing if the
 * state of its task is no longer as read, so of two triggers for one slot only one runs it. A slot
 * that a clock ahead of time has run already is not run again. Safe to repeat if its reply was
 * lost.
 *
 * @returns the rows of this execution: runs to do, skipped runs and missed slots
 */
export async function claimSlots(
  db: D1Database,
  executionId: string,
  claims: SlotClaim[],
  now: number,
): Promise<ClaimedRow[]> {
  const wanted = JSON.stringify(claims);
  const { claimed } = await runBatch(db, {
    abandoned: failAbandoned(db, now),
    execution: db.prepare(insertExecution).bind(wanted, executionId, now),
    missed: db.prepare(insertMissed).bind(wanted, executionId, now),
    runs: db.prepare(insertRuns).bind(wanted, executionId, now),
    states: db.prepare(updateStates).bind(wanted),
    counts: recountExecution(db, executionId, now),
    claimed: db.prepare(selectClaimed).bind(executionId),
  });
  return claimed.results as ClaimedRow[];
}

export type NewRun = {
  runId: string;
  executionId: string;
  task: string;
  trigger: Trigger;
  attempt: number;
  leaseExpiresAt: number;
  /** Whether it may run beside another run that an operator began. */
  mayOverlap: boolean;
  /** The failed run that it repeats, and how many runs had repeated it when that was read. */
  retryOf: { runId: string; retries: number } | null;
};

/** Why a run did not begin, and since when the run that is in its way runs. */
export type NotBegun = { why: "already-running" | "already-retried"; since: number };

/** A run on request that is running. A scheduled one is in nobody's way: tasks are idempotent. */
const requested = "r.status = 'running' AND r.trigger <> 'cron'";

const mayBegin = `(?5 OR NOT EXISTS (SELECT 1 FROM task_runs r WHERE r.task = ?4 AND ${requested}))
  AND (?6 IS NULL OR (
    (SELECT COUNT(*) FROM task_runs WHERE retry_of = ?6) = ?7
    AND NOT EXISTS (SELECT 1 FROM task_runs WHERE retry_of = ?6
                    AND status IN ('running', 'success'))))`;

/**
 * Begins a run on request. It may overlap with a scheduled run of its task. Of several requests at
 * once, one begins. Safe to repeat if its reply was lost.
 *
 * @returns null if it has begun
 */
export async function beginRun(db: D1Database, run: NewRun, now: number): Promise<NotBegun | null> {
  const { executionId, trigger, task, runId, leaseExpiresAt, mayOverlap, retryOf } = run;
  const failedRun = retryOf?.runId ?? null;
  const retries = retryOf?.retries ?? null;
  const replies = await runBatch(db, {
    abandoned: failAbandoned(db, now),
    execution: db
      .prepare(
        `INSERT INTO task_executions (execution_id, trigger, started_at, total)
         SELECT ?1, ?2, ?3, 1 WHERE ${mayBegin} ON CONFLICT (execution_id) DO NOTHING`,
      )
      .bind(executionId, trigger, now, task, mayOverlap ? 1 : 0, failedRun, retries),
    run: db
      .prepare(
        `INSERT INTO task_runs (run_id, execution_id, task, trigger, scheduled_at, attempt,
           status, started_at, lease_expires_at, retry_of)
         SELECT ?1, execution_id, ?2, trigger, started_at, ?3, 'running', started_at, ?4, ?5
         FROM task_executions WHERE execution_id = ?6 ON CONFLICT (run_id) DO NOTHING`,
      )
      .bind(runId, task, run.attempt, leaseExpiresAt, failedRun, executionId),
    inTheWay: db
      .prepare(
        `SELECT (SELECT COUNT(*) FROM task_runs WHERE run_id = ?1) AS begun,
                (SELECT MAX(started_at) FROM task_runs r WHERE r.task = ?2 AND ${requested})
                  AS runsSince,
                (SELECT MAX(started_at) FROM task_runs WHERE retry_of = ?3
                   AND (status IN ('running', 'success')
                     OR (SELECT COUNT(*) FROM task_runs WHERE retry_of = ?3) <> ?4)) AS retriedAt`,
      )
      .bind(runId, task, failedRun, retries),
  });
  const [found] = replies.inTheWay.results as {
    begun: number;
    runsSince: number | null;
    retriedAt: number | null;
  }[];
  if (found === undefined || found.begun > 0) return null;
  return found.retriedAt === null
    ? { why: "already-running", since: found.runsSince ?? now }
    : { why: "already-retried", since: found.retriedAt };
}

const abandoned = JSON.stringify({
  message: "abandoned: it did not end within its lease",
} satisfies TaskError);

/** Fails runs whose lease has expired: their process has ended, and they must block no other. */
function failAbandoned(db: D1Database, now: number): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `UPDATE task_runs
         SET status = 'failure', ended_at = ?1, lease_expires_at = NULL, error = ?2
         WHERE status = 'running' AND lease_expires_at <= ?1`,
      )
      .bind(now, abandoned),
    // Which executions these runs belong to is no longer known: their lease is gone.
    db.prepare(`${recount} WHERE ended_at IS NULL`).bind(now),
  ];
}

const countRuns = (condition: string): string =>
  `(SELECT COUNT(*) FROM task_runs r
    WHERE r.execution_id = task_executions.execution_id AND ${condition})`;

/**
 * Counts the runs of executions from their rows, so the order in which runs end, and repeats, do
 * not matter. `?1`: now.
 */
const recount = `UPDATE task_executions
  SET total = ${countRuns("r.status IN ('running', 'success', 'failure')")},
      successful = ${countRuns("r.status = 'success'")},
      failed = ${countRuns("r.status = 'failure'")},
      ended_at = CASE WHEN ${countRuns("r.status = 'running'")} = 0
                      THEN COALESCE(ended_at, ?1) END`;

function recountExecution(db: D1Database, executionId: string, now: number): D1PreparedStatement {
  return db.prepare(`${recount} WHERE execution_id = ?2`).bind(now, executionId);
}

export type RunOutcome = {
  runId: string;
  executionId: string;
  status: "success" | "failure";
  result: unknown;
  error: TaskError | null;
  failedAttempts: FailedAttempt[];
};

/**
 * Records how a run ended. A run that was failed as abandoned stays failed, and its late result
 * is ignored. Safe to repeat if its reply was lost.
 */
export async function finishRun(
  db: D1Database,
  { runId, executionId, status, result, error, failedAttempts }: RunOutcome,
  now: number,
): Promise<void> {
  await db.batch([
    db
      .prepare(
        `UPDATE task_runs
         SET status = ?2, ended_at = ?3, lease_expires_at = NULL, result = ?4, error = ?5,
             failed_attempts = ?6
         WHERE run_id = ?1 AND status = 'running'`,
      )
      .bind(
        runId,
        status,
        now,
        result === undefined ? null : JSON.stringify(result),
        error === null ? null : JSON.stringify(error),
        failedAttempts.length === 0 ? null : JSON.stringify(failedAttempts),
      ),
    recountExecution(db, executionId, now),
  ]);
}

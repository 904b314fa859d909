import { countTransaction } from "../database/transactions.ts";
import { sleep, type Clock } from "../lib/base/clock.ts";
import { within } from "../lib/base/deadline.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { dueRun, type MissedSlots } from "./rules/due.ts";
import type { TaskError, Trigger } from "./rules/runs.ts";
import { runToEnd, type RunControls } from "./runner.ts";
import {
  beginRun,
  claimSlots,
  finishRun,
  taskStates,
  type RunOutcome,
  type SlotClaim,
  type TaskState,
} from "./sql/executions.ts";

/** A scheduled task. `Context`: what its runs need besides, such as a Worker's bindings. */
export type Task<Context> = {
  name: string;
  /** Five fields, in UTC. */
  cron: string;
  /** When a run's signal is aborted. Its later results are ignored. */
  timeoutMs: number;
  /** How late a run may be before the watchdog alerts. */
  graceMs: number;
  /** Whether a slot is skipped, or run as well, while an earlier run of the task is running. */
  overlap: "skip" | "allow";
  /** Returns counts for the record. Must be idempotent, and may be interrupted anywhere. */
  run(input: RunControls & { context: Context; trigger: Trigger }): Promise<Record<string, number>>;
};

export type TaskResult =
  | { task: string; runId: string; status: "success"; duration: number; result: unknown }
  | { task: string; runId: string; status: "failure"; duration: number; error: TaskError }
  | { task: string; status: "missed"; missed: MissedSlots }
  | { task: string; status: "skipped" };

/** What one trigger did. Durations in milliseconds; the names are those of the HTTP API. */
export type ExecutionSummary = {
  executionId: string;
  startedAt: number;
  total: number;
  successful: number;
  failed: number;
  duration: number;
  results: TaskResult[];
};

export type Scheduler<Context> = {
  db: D1Database;
  context: Context;
  clock: Clock;
  newId: () => string;
};

/** A run's lease lasts for its timeout plus this, the time to record its outcome. */
const RECORD_MS = 60_000;

/** If another trigger claims at the same moment, the loser checks once more what is due. */
const MAX_TRIES = 2;

/** The limit of one call to D1, which may never reply. */
const D1_TIMEOUT_MS = 10_000;

/** Repeats an idempotent call once if it failed or timed out: its reply may have been lost. */
async function retryOnce<Reply>(clock: Clock, call: () => Promise<Reply>): Promise<Reply> {
  try {
    return await within(D1_TIMEOUT_MS, call(), clock);
  } catch (error) {
    log("warn", "task.database_retried", describeError(error));
    return await within(D1_TIMEOUT_MS, call(), clock);
  }
}

/**
 * Runs what is due. Each slot of a task is run once, also by many triggers. A task that
 * fails does not stop the others.
 *
 * @throws Error if D1 does not answer: nothing has run, or runs are failed as abandoned later
 */
export async function runDue<Context>(
  scheduler: Scheduler<Context>,
  tasks: readonly Task<Context>[],
): Promise<ExecutionSummary> {
  const { clock, newId } = scheduler;
  const startedAt = clock.now();
  const executionId = newId();
  const { runs, others } = await claimDue(scheduler, tasks, executionId);
  const ran = await Promise.all(
    runs.map(
      async ({ task, runId }) =>
        await runAndRecord(scheduler, task, { runId, executionId, trigger: "cron" }),
    ),
  );
  const results = [...others, ...ran];
  const successful = results.filter(({ status }) => status === "success").length;
  const failed = results.filter(({ status }) => status === "failure").length;
  return {
    executionId,
    startedAt,
    total: successful + failed,
    successful,
    failed,
    duration: Math.max(clock.now() - startedAt, 0),
    results,
  };
}

/** The runs that an execution has claimed, and its skipped and missed slots. */
type ClaimedRuns<Context> = {
  runs: { task: Task<Context>; runId: string }[];
  others: TaskResult[];
};

async function claimDue<Context>(
  scheduler: Scheduler<Context>,
  tasks: readonly Task<Context>[],
  executionId: string,
): Promise<ClaimedRuns<Context>> {
  const { db, clock } = scheduler;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const now = clock.now();
    const states = await retryOnce(clock, () => taskStates(db, [...tasks], now));
    const claims = states.flatMap((state) => slotClaim(scheduler, tasks, state, now) ?? []);
    if (claims.length === 0) break;
    const claimed = await retryOnce(clock, () => claimSlots(db, executionId, claims, now));
    if (claimed.length === 0) continue;
    const has = (id: string, status: string) =>
      claimed.some((row) => row.id === id && row.status === status);
    return {
      runs: claims.flatMap(({ task, runId }) =>
        has(runId, "running")
          ? tasks.filter(({ name }) => name === task).map((one) => ({ task: one, runId }))
          : [],
      ),
      others: claims.flatMap(({ task, runId, missed, missedId }): TaskResult[] => [
        ...(missed !== null && has(missedId, "missed")
          ? [{ task, status: "missed" as const, missed }]
          : []),
        ...(has(runId, "skipped") ? [{ task, status: "skipped" as const }] : []),
      ]),
    };
  }
  return { runs: [], others: [] };
}

function slotClaim<Context>(
  { newId }: Scheduler<Context>,
  tasks: readonly Task<Context>[],
  { task, ...readState }: TaskState,
  now: number,
): SlotClaim | null {
  const registered = tasks.find(({ name }) => name === task);
  const due = dueRun(readState, registered?.cron ?? null, now);
  if (due === null) return null;
  return {
    ...due,
    task,
    readState,
    runId: newId(),
    missedId: newId(),
    leaseExpiresAt: now + (registered?.timeoutMs ?? 0) + RECORD_MS,
    mayOverlap: registered?.overlap === "allow",
  };
}

/** Runs one task now, independent of its schedule. */
export async function runNow<Context>(
  scheduler: Scheduler<Context>,
  task: Task<Context>,
  trigger: Trigger,
  attempt: number,
): Promise<TaskResult> {
  const { db, clock, newId } = scheduler;
  const now = clock.now();
  const run = { runId: newId(), executionId: newId(), trigger };
  const begun = {
    ...run,
    task: task.name,
    attempt,
    leaseExpiresAt: now + task.timeoutMs + RECORD_MS,
  };
  await retryOnce(clock, () => beginRun(db, begun, now));
  return await runAndRecord(scheduler, task, run);
}

async function runAndRecord<Context>(
  scheduler: Scheduler<Context>,
  task: Task<Context>,
  { runId, executionId, trigger }: { runId: string; executionId: string; trigger: Trigger },
): Promise<TaskResult> {
  const { context, clock } = scheduler;
  const ended = await runToEnd(
    (controls) => task.run({ ...controls, context, trigger }),
    task.timeoutMs,
    clock,
  );
  const { status, duration } = ended;
  const failure = status === "failure" ? ended.error : null;
  log(failure === null ? "info" : "error", `task.${failure === null ? "succeeded" : "failed"}`, {
    task: task.name,
    runId,
    trigger,
    durationMs: duration,
    ...(failure === null
      ? { result: JSON.stringify(status === "success" ? ended.result : null) }
      : failure),
  });
  await record(scheduler, {
    runId,
    executionId,
    status,
    result: status === "success" ? ended.result : undefined,
    error: failure,
  });
  return { task: task.name, runId, ...ended };
}

/** A run whose outcome is not recorded is failed as abandoned later, so the record is retried. */
const RECORD_RETRIES_MS = [100, 1_000, 5_000];

async function record<Context>(
  { db, clock }: Scheduler<Context>,
  outcome: RunOutcome,
): Promise<void> {
  for (const delayMs of [...RECORD_RETRIES_MS, null]) {
    try {
      await within(D1_TIMEOUT_MS, finishRun(db, outcome, clock.now()), clock);
      countTransaction("committed");
      return;
    } catch (error) {
      log("error", "task.record_failed", { runId: outcome.runId, ...describeError(error) });
      if (delayMs !== null) await sleep(clock, delayMs);
    }
  }
  countTransaction("unknown");
}

import { countTransaction } from "../database/transactions.ts";
import { sleep, type Clock } from "../lib/base/clock.ts";
import { within } from "../lib/base/deadline.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { owedBy, type Missed } from "./rules/due.ts";
import type { TaskError, Trigger } from "./rules/runs.ts";
import { runToEnd, type RunContext } from "./runner.ts";
import {
  beginRun,
  claimSlots,
  finishRun,
  taskStates,
  type Claim,
  type TaskState,
} from "./sql/executions.ts";

/** A scheduled task, of whatever it is given besides. */
export type Task<Given> = {
  name: string;
  /** Five fields, in UTC. */
  cron: string;
  /** Its signal is aborted then, and what it does later counts for nothing. */
  timeoutMs: number;
  /** How late a run may be before somebody is told. */
  graceMs: number;
  /** What becomes of a slot that comes while the run before it goes on. */
  overlap: "skip" | "allow";
  /** Answers with counts for the record. Must be safe to run twice, and to end anywhere. */
  run(context: RunContext & { given: Given; trigger: Trigger }): Promise<Record<string, number>>;
};

export type TaskResult =
  | { task: string; runId: string; status: "success"; duration: number; result: unknown }
  | { task: string; runId: string; status: "failure"; duration: number; error: TaskError }
  | { task: string; status: "missed"; missed: Missed }
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

export type Scheduler<Given> = { db: D1Database; given: Given; clock: Clock; newId: () => string };

/** A run keeps its slot for as long as it may take, and a while for its record. */
const RECORD_MS = 60_000;

/**
 * Two triggers at the same moment: the one that loses looks once more whether anything is left for
 * it.
 */
const MAX_TRIES = 2;

/** D1 may not answer at all. */
const D1_TIMEOUT_MS = 10_000;

/**
 * Does what is safe to repeat once more if it failed or was not answered: its reply may be lost,
 * and then it is done.
 */
async function twice<Reply>(clock: Clock, ask: () => Promise<Reply>): Promise<Reply> {
  try {
    return await within(D1_TIMEOUT_MS, ask(), clock);
  } catch (error) {
    log("warn", "task.database_asked_again", describeError(error));
    return await within(D1_TIMEOUT_MS, ask(), clock);
  }
}

/**
 * Runs what is due, each task once per slot however many triggers come. One that fails stops no
 * other.
 *
 * @throws Error if D1 does not answer: then nothing has run, or the run is found abandoned
 */
export async function runDue<Given>(
  scheduler: Scheduler<Given>,
  tasks: readonly Task<Given>[],
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

/** What an execution has to run, and what is known already of slots that it does not. */
type Claimed<Given> = { runs: { task: Task<Given>; runId: string }[]; others: TaskResult[] };

async function claimDue<Given>(
  scheduler: Scheduler<Given>,
  tasks: readonly Task<Given>[],
  executionId: string,
): Promise<Claimed<Given>> {
  const { db, clock } = scheduler;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const now = clock.now();
    const claims = (await twice(clock, () => taskStates(db, [...tasks], now))).flatMap((state) =>
      claimOf(scheduler, tasks, state, now),
    );
    if (claims.length === 0) break;
    const got = await twice(clock, () => claimSlots(db, executionId, claims, now));
    const has = (id: string, status: string) =>
      got.some((one) => one.id === id && one.status === status);
    if (got.length === 0) continue;
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

function claimOf<Given>(
  { newId }: Scheduler<Given>,
  tasks: readonly Task<Given>[],
  { task, ...was }: TaskState,
  now: number,
): Claim[] {
  const registered = tasks.find(({ name }) => name === task);
  const owed = owedBy(was, registered?.cron ?? null, now);
  if (owed === null) return [];
  const leaseExpiresAt = now + (registered?.timeoutMs ?? 0) + RECORD_MS;
  return [
    {
      ...owed,
      task,
      was,
      runId: newId(),
      missedId: newId(),
      leaseExpiresAt,
      mayOverlap: registered?.overlap === "allow",
    },
  ];
}

/** Runs one task now, whatever its schedule says. */
export async function runNow<Given>(
  scheduler: Scheduler<Given>,
  task: Task<Given>,
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
  await twice(clock, () => beginRun(db, begun, now));
  return await runAndRecord(scheduler, task, run);
}

async function runAndRecord<Given>(
  scheduler: Scheduler<Given>,
  task: Task<Given>,
  { runId, executionId, trigger }: { runId: string; executionId: string; trigger: Trigger },
): Promise<TaskResult> {
  const { given, clock } = scheduler;
  const ended = await runToEnd(
    (context) => task.run({ ...context, given, trigger }),
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

/** A result that is not recorded leaves the run to be found abandoned, so D1 is asked again. */
const RECORD_RETRIES_MS = [100, 1_000, 5_000];

async function record<Given>(
  { db, clock }: Scheduler<Given>,
  ending: Parameters<typeof finishRun>[1],
): Promise<void> {
  for (const delayMs of [...RECORD_RETRIES_MS, null]) {
    try {
      await within(D1_TIMEOUT_MS, finishRun(db, ending, clock.now()), clock);
      countTransaction("committed");
      return;
    } catch (error) {
      log("error", "task.record_failed", { runId: ending.runId, ...describeError(error) });
      if (delayMs !== null) await sleep(clock, delayMs);
    }
  }
  countTransaction("unknown");
}

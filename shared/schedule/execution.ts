import { sleep, type Clock } from "../lib/base/clock.ts";
import { within } from "../lib/base/deadline.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { mayPass, nextAttemptMs } from "./rules/attempts.ts";
import { dueRun, nextSlot } from "./rules/due.ts";
import type { Trigger } from "./rules/runs.ts";
import { D1_TIMEOUT_MS, RECORD_MS, runAndRecord } from "./run-and-record.ts";
import {
  beginRun,
  claimSlots,
  taskStates,
  type NewRun,
  type NotBegun,
  type SlotClaim,
  type TaskState,
} from "./sql/executions.ts";
import type { Scheduler, Task, TaskResult } from "./task.ts";

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

/** If another trigger claims at the same moment, the loser checks once more what is due. */
const MAX_TRIES = 2;

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
  const { runs, others } = await claimOrWait(scheduler, tasks, executionId);
  const ran = await Promise.all(
    runs.map(
      async ({ task, runId, slot }) =>
        await runAndRecord(scheduler, task, {
          runId,
          executionId,
          trigger: "cron",
          slotEndsAt: nextSlot(task.cron, slot),
        }),
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
  runs: { task: Task<Context>; runId: string; slot: number }[];
  others: TaskResult[];
};

/** The next trigger comes after a minute, and claims what this one could not. */
const CLAIM_WITHIN_MS = 45_000;

/** Claims what is due. While D1 is away it waits and tries again, until the next trigger comes. */
async function claimOrWait<Context>(
  scheduler: Scheduler<Context>,
  tasks: readonly Task<Context>[],
  executionId: string,
): Promise<ClaimedRuns<Context>> {
  const { clock, random } = scheduler;
  const until = clock.now() + CLAIM_WITHIN_MS;
  for (let failures = 1; ; failures += 1) {
    try {
      return await claimDue(scheduler, tasks, executionId);
    } catch (error) {
      const waitMs = nextAttemptMs({ failures, until }, clock.now(), random());
      if (waitMs === null || !mayPass(error)) throw error;
      log("warn", "task.claim_failed", { failures, waitMs, ...describeError(error) });
      await sleep(clock, waitMs);
    }
  }
}

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
      runs: claims.flatMap(({ task, runId, slot }) =>
        slot !== null && has(runId, "running")
          ? tasks.filter(({ name }) => name === task).map((one) => ({ task: one, runId, slot }))
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

/** What a run on request repeats: a failed run, and which attempt this one is. */
export type Repeats = { attempt: number; of: NewRun["retryOf"] };

/**
 * Runs one task now, independent of its schedule.
 *
 * @returns why it did not run, if another request runs the task or repeats the same run
 */
export async function runNow<Context>(
  scheduler: Scheduler<Context>,
  task: Task<Context>,
  trigger: Trigger,
  repeats: Repeats = { attempt: 1, of: null },
): Promise<TaskResult | NotBegun> {
  const { db, clock, newId } = scheduler;
  const now = clock.now();
  const run = { runId: newId(), executionId: newId(), trigger };
  const wanted = {
    ...run,
    task: task.name,
    attempt: repeats.attempt,
    leaseExpiresAt: now + task.timeoutMs + RECORD_MS,
    mayOverlap: task.overlap === "allow",
    retryOf: repeats.of,
  };
  const notBegun = await retryOnce(clock, () => beginRun(db, wanted, now));
  if (notBegun !== null) return notBegun;
  // Who asked gets the first error: there is no slot to try again in.
  return await runAndRecord(scheduler, task, { ...run, slotEndsAt: now });
}

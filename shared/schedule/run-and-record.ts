import { countTransaction } from "../database/transactions.ts";
import { backoffMs } from "../lib/base/backoff.ts";
import { elapsedMs, sleep } from "../lib/base/clock.ts";
import { within } from "../lib/base/deadline.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { nextAttemptMs, type FailedAttempt } from "./rules/attempts.ts";
import type { Trigger } from "./rules/runs.ts";
import { runToEnd, type RunEnd } from "./runner.ts";
import { finishRun, type RunOutcome } from "./sql/executions.ts";
import type { Scheduler, Task, TaskResult } from "./task.ts";

/** One run that has begun: its attempts, and the record of its outcome. */

/** A run's lease lasts for its timeout plus this, the time to record its outcome. */
export const RECORD_MS = 60_000;

/** The limit of one call to D1, which may never reply. */
export const D1_TIMEOUT_MS = 10_000;

/** `slotEndsAt`: no further attempt begins from then on. */
export type BegunRun = { runId: string; executionId: string; trigger: Trigger; slotEndsAt: number };

export async function runAndRecord<Context>(
  scheduler: Scheduler<Context>,
  task: Task<Context>,
  run: BegunRun,
): Promise<TaskResult> {
  const { runId, executionId, trigger } = run;
  const { ended, duration, failedAttempts } = await runAttempts(scheduler, task, run);
  const failure = ended.status === "failure" ? ended.error : null;
  log(failure === null ? "info" : "error", `task.${failure === null ? "succeeded" : "failed"}`, {
    task: task.name,
    runId,
    trigger,
    durationMs: duration,
    attempts: failedAttempts.length + 1,
    ...(failure === null
      ? { result: JSON.stringify(ended.status === "success" ? ended.result : null) }
      : failure),
  });
  await record(scheduler, {
    runId,
    executionId,
    status: ended.status,
    result: ended.status === "success" ? ended.result : undefined,
    error: failure,
    failedAttempts,
  });
  const common = {
    task: task.name,
    runId,
    duration,
    ...(failedAttempts.length > 0 && { failedAttempts }),
  };
  return ended.status === "success"
    ? { ...common, status: "success", result: ended.result }
    : { ...common, status: "failure", error: ended.error };
}

/**
 * Runs a task until an attempt succeeds, fails for a reason that does not pass, or no time is left.
 * All attempts share the time limit, and so the lease of the run.
 */
async function runAttempts<Context>(
  { context, clock, random }: Scheduler<Context>,
  task: Task<Context>,
  { runId, trigger, slotEndsAt }: BegunRun,
): Promise<{ ended: RunEnd; duration: number; failedAttempts: FailedAttempt[] }> {
  const began = clock.now();
  const limitMs = task.timeoutMs;
  const until = Math.min(began + limitMs, slotEndsAt);
  const failedAttempts: FailedAttempt[] = [];
  for (;;) {
    const startedAt = clock.now();
    const ended = await runToEnd(
      (controls) => task.run({ ...controls, context, trigger }),
      { timeoutMs: Math.max(limitMs - Math.max(startedAt - began, 0), 0), limitMs },
      clock,
    );
    const now = clock.now();
    const done = { ended, duration: Math.max(now - began, 0), failedAttempts };
    if (ended.status === "success" || !ended.mayPass) return done;
    const waitMs = nextAttemptMs({ failures: failedAttempts.length + 1, until }, now, random());
    if (waitMs === null) return done;
    const { message } = ended.error;
    log("warn", "task.attempt_failed", { task: task.name, runId, waitMs, message });
    failedAttempts.push({ startedAt, duration: ended.duration, error: { message } });
    await sleep(clock, waitMs);
  }
}

/** A run whose outcome is not recorded is failed as abandoned later, so the record is retried... */
const RECORD_BACKOFF = { baseMs: 100, maxMs: 5_000 };
/** ...until shortly before its lease ends. */
const RECORD_WITHIN_MS = RECORD_MS - D1_TIMEOUT_MS - RECORD_BACKOFF.maxMs;

async function record<Context>(
  { db, clock, random }: Scheduler<Context>,
  outcome: RunOutcome,
): Promise<void> {
  const endedAt = clock.now();
  for (let failures = 1; ; failures += 1) {
    try {
      await within(D1_TIMEOUT_MS, finishRun(db, outcome, endedAt), clock);
      countTransaction("committed");
      return;
    } catch (error) {
      log("error", "task.record_failed", { runId: outcome.runId, ...describeError(error) });
      if (elapsedMs(endedAt, clock.now()) >= RECORD_WITHIN_MS) break;
      await sleep(clock, backoffMs(RECORD_BACKOFF, failures, random()));
    }
  }
  countTransaction("unknown");
}

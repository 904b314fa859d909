import { readDatabase } from "../../shared/database/read.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { iso } from "../../shared/http/time.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import type { ExecutionSummary } from "../../shared/schedule/execution.ts";
import { lastRuns, readHistory, type RunRow } from "../../shared/schedule/sql/history.ts";
import type { TaskResult } from "../../shared/schedule/task.ts";
import { askScheduler } from "./built-in-tasks.ts";
import { json, type Handler } from "./call.ts";

/** Every task: when it runs next, and how its last run ended. */
export const listScheduledTasks: Handler<"listScheduledTasks"> = async ({ env }) => {
  const listed = await askScheduler(() => env.CRON.list());
  if (!listed.ok) return listed;
  const names = listed.value.map(({ name }) => name);
  const last = await readDatabase(env, () => lastRuns(env.DB, names));
  if (!last.ok) return last;
  // Fields that luna-cron adds for jobs are not part of this list.
  const items = listed.value.map(({ name, cron, timeoutMs, graceMs, overlap, nextAt }) => {
    const run = last.value.find((one) => one.task === name);
    const task = { name, cron, timeoutMs, graceMs, overlap, nextAt: iso(nextAt) };
    return run === undefined ? task : { ...task, lastRun: runAnswer(run) };
  });
  return json({ items });
};

/**
 * Executions, newest first. `total`, `successful` and `failed` count the stored executions; an
 * execution has failed if any of its runs has.
 */
export const scheduledTaskHistory: Handler<"scheduledTaskHistory"> = async ({ query, env }) => {
  const { limit, cursor } = query;
  const read = await readDatabase(env, () => readHistory(env.DB, cursor ?? null, limit + 1));
  if (!read.ok) return read;
  const { executions: total, failedExecutions: failed, recent } = read.value;
  const { rows, ...next } = pageFrom(recent, limit, ({ startedAt }) => startedAt);
  const recentExecutions = rows.map(({ id, startedAt, endedAt, runs, ...counts }) => ({
    executionId: id,
    ...counts,
    // The newest slot that it ran for: the others were overdue.
    ...(runs.length > 0 && {
      scheduledTime: iso(Math.max(...runs.map(({ scheduledAt }) => scheduledAt))),
    }),
    startedAt: iso(startedAt),
    ...(endedAt !== null && { duration: endedAt - startedAt }),
    results: runs.map(runAnswer),
  }));
  return json({ total, successful: total - failed, failed, recentExecutions, ...next });
};

function runAnswer({
  scheduledAt,
  startedAt,
  endedAt,
  result,
  error,
  failedAttempts,
  missedUntil,
  missedCount,
  ...run
}: RunRow) {
  return {
    ...run,
    scheduledTime: iso(scheduledAt),
    startedAt: iso(startedAt),
    ...(endedAt !== null &&
      run.status !== "missed" &&
      run.status !== "skipped" && { duration: endedAt - startedAt }),
    ...(result !== null && { result }),
    ...(error !== null && { error }),
    ...(failedAttempts.length > 0 && { failedAttempts: failedAttempts.map(attemptAnswer) }),
    ...(missedUntil !== null && {
      missed: { from: iso(scheduledAt), until: iso(missedUntil), count: missedCount },
    }),
  };
}

/** Runs one task now, regardless of its schedule. */
export const runTask: Handler<"runTask"> = async ({ params, env }) => {
  const ran = await askScheduler(() => env.CRON.run(params.name));
  if (!ran.ok) return ran;
  if (ran.value.status === "not-found") return fail({ tag: "not-found", what: "task" });
  if (ran.value.status === "not-begun") return notBegun(ran.value);
  return json(resultAnswer(ran.value));
};

/** Runs the task of a failed run again. */
export const retryRun: Handler<"retryRun"> = async ({ params, env }) => {
  const ran = await askScheduler(() => env.CRON.retry(params.runId));
  if (!ran.ok) return ran;
  if (ran.value.status === "not-found") return fail({ tag: "not-found", what: "run" });
  if (ran.value.status === "not-failed") {
    return fail({
      tag: "wrong-state",
      detail: `Only a failed run can be retried; this one is ${ran.value.is}.`,
    });
  }
  if (ran.value.status === "not-begun") return notBegun(ran.value);
  return json(resultAnswer(ran.value));
};

function notBegun({
  why,
  since,
}: {
  why: "already-running" | "already-retried";
  since: number;
}): Result<never, Failure> {
  const detail = {
    "already-running": `Another request has been running this task since ${iso(since)}.`,
    "already-retried": `This run was retried at ${iso(since)}: look at that run.`,
  }[why];
  return fail({ tag: "wrong-state", detail });
}

/** Does what the platform's cron trigger does each minute, where there is none or it fails. */
export const tick: Handler<"tick"> = async ({ env }) => {
  const ticked = await askScheduler(() => env.CRON.tick());
  return ticked.ok ? json(summaryAnswer(ticked.value)) : ticked;
};

function summaryAnswer({ startedAt, results, ...summary }: ExecutionSummary) {
  return { ...summary, startedAt: iso(startedAt), results: results.map(resultAnswer) };
}

function resultAnswer(result: TaskResult) {
  switch (result.status) {
    case "skipped":
      return result;
    case "missed": {
      const { from, until, count } = result.missed;
      return { ...result, missed: { from: iso(from), until: iso(until), count } };
    }
    case "success":
    case "failure": {
      const { failedAttempts, ...ended } = result;
      return failedAttempts === undefined
        ? ended
        : { ...ended, failedAttempts: failedAttempts.map(attemptAnswer) };
    }
    default:
      return result satisfies never;
  }
}

function attemptAnswer({ startedAt, ...attempt }: RunRow["failedAttempts"][number]) {
  return { ...attempt, startedAt: iso(startedAt) };
}

import type {
  BuiltInTaskAnswer,
  JobAnswer,
  JobRunAnswer,
} from "../../shared/contract/job-schemas.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { iso } from "../../shared/http/time.ts";
import type { ScheduledTasksRpc } from "../../shared/schedule/rpc.ts";
import type { JobDefinition } from "../../shared/schedule/rules/job-definition.ts";
import type { RunRow } from "../../shared/schedule/sql/history.ts";
import type { StoredRun } from "../../shared/schedule/sql/job-runs.ts";
import type { Job } from "../../shared/schedule/sql/jobs.ts";

/** What the handlers of jobs answer. */

export const noJob: Failure = { tag: "not-found", what: "job" };

export const builtInFailure = (name: string, what: string): Failure => ({
  tag: "wrong-state",
  detail: `${name} is a built-in task: ${what}`,
});

const scheduleAnswer = (schedule: JobDefinition["schedule"]): JobAnswer["schedule"] =>
  "at" in schedule ? { at: iso(schedule.at) } : schedule;

export function jobAnswer(job: Job, lastRun: StoredRun | undefined): JobAnswer {
  const { name, timeZone, target, payload, timeoutMs, overlap, retries, missed, graceMs } = job;
  const { pausedAt, nextAt, previousUntil } = job;
  return {
    name,
    builtIn: false,
    schedule: scheduleAnswer(job.schedule),
    timeZone,
    target,
    ...(payload !== undefined && { payload }),
    timeoutMs,
    overlap,
    retries,
    missed,
    graceMs,
    ...(pausedAt !== null && { pausedAt: iso(pausedAt) }),
    ...(nextAt !== null && { nextAt: iso(nextAt) }),
    failures: job.failures,
    ...(lastRun !== undefined && { lastRun: jobRunAnswer(lastRun) }),
    ...(previousUntil !== null && { previousSecretUntil: iso(previousUntil) }),
    createdAt: iso(job.createdAt),
    updatedAt: iso(job.updatedAt),
  };
}

const shownStatus = {
  waiting: "waiting",
  pending: "pending",
  delivering: "running",
  delivered: "success",
  dead: "dead",
  skipped: "skipped",
  missed: "missed",
} as const satisfies Record<StoredRun["status"], JobRunAnswer["status"]>;

export function jobRunAnswer(run: StoredRun): JobRunAnswer {
  const { id, trigger, status, slot, firstAt, dueAt, generation, attempts, reason, log } = run;
  const { missed } = run;
  return {
    runId: id,
    trigger,
    status: shownStatus[status],
    scheduledTime: iso(slot),
    ...(firstAt !== null && { startedAt: iso(firstAt) }),
    ...(status === "pending" && { dueAt: iso(dueAt) }),
    generation,
    attempts,
    ...(reason !== null && { reason }),
    log: log.map(({ at, ...attempt }) => ({ at: iso(at), ...attempt })),
    ...(missed !== null && {
      missed: { from: iso(missed.from), until: iso(missed.until), count: missed.count },
    }),
    updatedAt: iso(run.updatedAt),
  };
}

export type Listing = Awaited<ReturnType<ScheduledTasksRpc["list"]>>[number];

export function taskAnswer(
  { name, cron, timeoutMs, graceMs, overlap, nextAt, mayPause = false }: Listing,
  lastRun: RunRow | undefined,
  pausedAt: number | undefined,
): BuiltInTaskAnswer {
  return {
    name,
    builtIn: true,
    schedule: { cron },
    timeZone: "UTC",
    timeoutMs,
    graceMs,
    overlap,
    mayPause,
    ...(pausedAt !== undefined && { pausedAt: iso(pausedAt) }),
    nextAt: iso(nextAt),
    ...(lastRun !== undefined && { lastRun: taskRunAnswer(lastRun) }),
  };
}

function taskRunAnswer(run: RunRow): JobRunAnswer {
  const attempts = [
    ...run.failedAttempts.map(({ startedAt, duration, error }) => ({
      at: iso(startedAt),
      tookMs: duration,
      outcome: "failed",
      answer: error.message,
    })),
    ...(run.error === null
      ? []
      : [
          {
            at: iso(run.startedAt),
            tookMs: (run.endedAt ?? run.startedAt) - run.startedAt,
            outcome: "failed",
            answer: run.error.message,
          },
        ]),
  ];
  return {
    runId: run.runId,
    trigger: run.trigger === "cron" ? "schedule" : "operator",
    status: run.status,
    scheduledTime: iso(run.scheduledAt),
    startedAt: iso(run.startedAt),
    generation: 1,
    attempts: run.failedAttempts.length + 1,
    log: attempts,
    updatedAt: iso(run.endedAt ?? run.startedAt),
  };
}

import type { Clock } from "../lib/base/clock.ts";
import type { FailedAttempt } from "./rules/attempts.ts";
import type { MissedSlots } from "./rules/due.ts";
import type { TaskError, Trigger } from "./rules/runs.ts";
import type { RunControls } from "./runner.ts";

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
  /** It writes no row, so it can make room in a database that is full. Default: false. */
  onlyDeletes?: true;
  /** An operator may pause it: it neither repairs nor deletes. Default: false. */
  mayPause?: true;
  /** Returns counts for the record. Must be idempotent, and may be interrupted anywhere. */
  run(input: RunControls & { context: Context; trigger: Trigger }): Promise<Record<string, number>>;
};

/** `failedAttempts`: those of the run that failed for a passing reason and were followed by it. */
type EndedRun = {
  task: string;
  runId: string;
  duration: number;
  failedAttempts?: FailedAttempt[];
};

export type TaskResult =
  | (EndedRun & { status: "success"; result: unknown })
  | (EndedRun & { status: "failure"; error: TaskError })
  | { task: string; status: "missed"; missed: MissedSlots }
  | { task: string; status: "skipped" };

/** What runs tasks. */
export type Scheduler<Context> = {
  db: D1Database;
  context: Context;
  clock: Clock;
  newId: () => string;
  /** In [0, 1). */
  random: () => number;
};

import type { ExecutionSummary } from "./execution.ts";
import type { NotBegun } from "./sql/executions.ts";
import type { TaskResult } from "./task.ts";

/** Why a run on request did not begin. */
type NotRun = NotBegun & { status: "not-begun" };

/** A registered task. `nextAt`: its next slot, in milliseconds since the epoch. */
type TaskListing = {
  name: string;
  cron: string;
  timeoutMs: number;
  graceMs: number;
  overlap: "skip" | "allow";
  nextAt: number;
  /** Whether an operator may pause it. A luna-cron of the release before does not state it. */
  mayPause?: boolean;
};

/** What `luna-cron` offers to other Workers through its entrypoint `ScheduledTasks`. */
export interface ScheduledTasksRpc {
  /**
   * Does what the platform's cron trigger does each minute. Settles when every due task has ended.
   */
  tick(): Promise<ExecutionSummary>;
  /** Every registered task. */
  list(): Promise<TaskListing[]>;
  /**
   * Reports every task to the watchdog, as each tick does. Called after a deployment, so that the
   * watchdog also notices a trigger that never comes.
   */
  register(): Promise<void>;
  /**
   * Runs one task now for an operator and returns its outcome; `not-found` if no task has that
   * name; `not-begun` if another request runs it already and it allows no overlap.
   */
  run(name: string): Promise<TaskResult | { status: "not-found" } | NotRun>;
  /** Runs the task of a failed run again, as the next attempt. Of two requests at once one does. */
  retry(
    runId: string,
  ): Promise<TaskResult | { status: "not-found" } | { status: "not-failed"; is: string } | NotRun>;
}

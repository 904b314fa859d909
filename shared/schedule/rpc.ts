import type { ExecutionSummary, TaskResult } from "./execution.ts";

/** A task as it is registered. `nextAt` in milliseconds since the epoch. */
type TaskListing = {
  name: string;
  cron: string;
  timeoutMs: number;
  graceMs: number;
  overlap: "skip" | "allow";
  nextAt: number;
};

/** What `luna-cron` offers to other Workers through its entrypoint `ScheduledTasks`. */
export interface ScheduledTasksRpc {
  /**
   * Does what the platform's cron trigger does each minute. Settles when every task that was due
   * has ended.
   */
  tick(): Promise<ExecutionSummary>;
  /** Every registered task. */
  list(): Promise<TaskListing[]>;
  /**
   * Names every task to the watchdog, as each tick does: after a deployment, so that a trigger that
   * never comes is noticed too.
   */
  register(): Promise<void>;
  /**
   * Runs one task now, as an operator asks for it, and returns how it ended; `not-found` if no task
   * has that name.
   */
  run(name: string): Promise<TaskResult | { status: "not-found" }>;
  /** Runs a task again whose run has failed, as its next attempt. */
  retry(
    runId: string,
  ): Promise<TaskResult | { status: "not-found" } | { status: "not-failed"; is: string }>;
}

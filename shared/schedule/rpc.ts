import type { ExecutionSummary, TaskResult } from "./execution.ts";

/** A registered task. `nextAt`: its next slot, in milliseconds since the epoch. */
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
   * name.
   */
  run(name: string): Promise<TaskResult | { status: "not-found" }>;
  /** Runs the task of a failed run again, as the next attempt. */
  retry(
    runId: string,
  ): Promise<TaskResult | { status: "not-found" } | { status: "not-failed"; is: string }>;
}

/** What `luna-cron` offers to other Workers through its entrypoint `ScheduledTasks`. */
export interface ScheduledTasksRpc {
  /** Does what the platform's cron trigger does each minute. Settles when every task has ended. */
  tick(): Promise<TaskResult[]>;
  /** Runs one task now, as an operator asks for it, and returns how it ended; `not-found` if no task has that name. */
  run(name: string): Promise<TaskResult | { status: "not-found" }>;
}

/** Durations in milliseconds. Field names are those of the HTTP API. */
export type TaskResult =
  | { task: string; status: "success"; duration: number; result: Record<string, number> }
  | { task: string; status: "failure"; duration: number; error: { message: string; stack?: string } };

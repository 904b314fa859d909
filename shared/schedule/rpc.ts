/** What `luna-cron` offers to other Workers through its entrypoint `ScheduledTasks`. */
export interface ScheduledTasksRpc {
  /** Runs one task now and returns how it ended; `not-found` if no task has that name. */
  run(name: string): Promise<TaskResult | { status: "not-found" }>;
}

/** Durations in milliseconds. Field names are those of the HTTP API. */
export type TaskResult =
  | { task: string; status: "success"; duration: number; result: Record<string, number> }
  | { task: string; status: "failure"; duration: number; error: { message: string; stack?: string } };

/** How a run came to be. */
export type Trigger = "cron" | "operator" | "retry";

/** What a task failed with. `stack` where there is one. */
export type TaskError = { message: string; stack?: string };

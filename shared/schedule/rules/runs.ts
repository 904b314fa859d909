/** What started a run. */
export type Trigger = "cron" | "operator" | "retry";

/** The error of a failed run. */
export type TaskError = { message: string; stack?: string };

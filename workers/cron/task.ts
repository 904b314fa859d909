import type { Task } from "../../shared/schedule/task.ts";
import type { CronEnv } from "../env.ts";

/** A scheduled task of luna-cron. */
export type CronTask = Task<CronEnv>;

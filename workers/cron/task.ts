import type { Task } from "../../shared/schedule/execution.ts";
import type { CronEnv } from "../env.ts";

/** A scheduled task of luna-cron. */
export type CronTask = Task<CronEnv>;

import * as v from "valibot";
import type { Result } from "../../../lib/base/result.ts";
import type { Invalid } from "../../../lib/worker/validate.ts";

/**
 * The RPC surface of the Durable Object `TaskWatchdog`, at
 * `env.TASK_WATCHDOG.getByName(WATCHDOG_NAME)`. It stores by when each task should have run again.
 * When one has not, its own alarm notifies operators, even if nothing else runs.
 */
export interface TaskWatchdogRpc {
  /**
   * Replaces the watched tasks with these, each with the time by which it should have run again.
   */
  report(tasks: Watched[]): Promise<Result<null, Invalid>>;
  /** How many tasks are watched, and which are overdue. */
  inspect(): Promise<WatchdogView>;
}

/** The one object of the fleet. */
export const WATCHDOG_NAME = "tasks";

/** An upper bound that an alarm can still be set to. */
const LATEST = Date.UTC(2150);

export const watched = v.pipe(
  v.array(
    v.strictObject({
      task: v.pipe(
        v.string("must be text"),
        v.regex(/^[a-z][a-z0-9-]{0,63}$/, "must be the name of a task"),
      ),
      /** Milliseconds since the epoch. */
      dueBy: v.pipe(
        v.number("must be a number"),
        v.integer("must be a whole number"),
        v.minValue(0, "must be at least 0"),
        v.maxValue(LATEST, "is too far away"),
      ),
    }),
    "must be a list",
  ),
  v.maxLength(200, "must have at most 200 entries"),
);
export type Watched = v.InferOutput<typeof watched>[number];

type WatchdogView = { watched: number; overdue: Watched[] };

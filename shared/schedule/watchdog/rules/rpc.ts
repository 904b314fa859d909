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
  /**
   * Notifies the webhook of alerts that D1 has no room to record, once of each until D1 takes rows
   * again. An object of the release before does not have it.
   */
  notifyUnrecorded(alerts: UnrecordedAlert[]): Promise<Result<null, Invalid>>;
  /** Which tasks are watched, and which of them are overdue. */
  inspect(): Promise<WatchdogReply>;
}

/** The one object of the fleet. */
export const WATCHDOG_NAME = "tasks";

/** An upper bound that an alarm can still be set to. */
const LATEST = Date.UTC(2150);

export const watched = v.pipe(
  v.array(
    v.object({
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

export const unrecordedAlerts = v.pipe(
  v.array(
    v.object({
      key: v.pipe(v.string("must be text"), v.maxLength(200, "is too long")),
      summary: v.pipe(v.string("must be text"), v.maxLength(4_000, "is too long")),
      /** How long it has to hold before it fires, in milliseconds. */
      forMs: v.pipe(v.number("must be a number"), v.minValue(0, "must be at least 0")),
    }),
    "must be a list",
  ),
  v.maxLength(500, "must have at most 500 entries"),
);
export type UnrecordedAlert = v.InferOutput<typeof unrecordedAlerts>[number];

/** `tasks`: the names of the watched tasks. An object of an earlier release does not send all. */
type WatchdogReply = {
  watched: number;
  overdue: Watched[];
  tasks?: string[];
  sizeBytes?: number;
};

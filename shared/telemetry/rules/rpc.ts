import * as v from "valibot";
import type { Result } from "../../lib/base/result.ts";
import type { Invalid } from "../../lib/worker/validate.ts";
import { type Point, steps } from "./history.ts";
import { workers, type WorkerName } from "./metrics.ts";
import { SERIES } from "./series.ts";

/**
 * The RPC surface of the Durable Object `Telemetry`: counters of the whole fleet, at
 * `env.TELEMETRY.getByName(TELEMETRY_NAME)`.
 */
export interface TelemetryRpc {
  /**
   * Takes what an isolate has counted since it began, all of it or what has grown since it last was
   * told that a report arrived. Reports are totals, not differences: one that is lost, late or
   * comes twice changes nothing for the worse.
   */
  report(report: Report): Promise<Result<null, Invalid>>;
  /** The sums over all isolates, by name. */
  totals(): Promise<Record<string, number>>;
  /** The same, and who reports. Times in milliseconds since the epoch. */
  inspect(): Promise<TelemetryView>;
  /**
   * What was counted in each step from a time on, oldest first; steps in which nothing was counted
   * are left out.
   */
  points(asked: PointsAsked): Promise<Result<Point[], Invalid>>;
}

type TelemetryView = {
  totals: Record<string, number>;
  isolates: number;
  reportedAt: Partial<Record<WorkerName, number>>;
};

/** The one object of the fleet. */
export const TELEMETRY_NAME = "fleet";

/** More than an isolate has: see `counters.ts`, and the cache's own. */
const MAX_COUNTERS = 2_500;

export const report = v.strictObject({
  isolate: v.pipe(
    v.string("must be text"),
    v.regex(/^[\w-]{1,64}$/, "must be 1 to 64 letters, digits or dashes"),
  ),
  worker: v.optional(v.picklist(workers, "is not a Worker")),
  totals: v.pipe(
    v.record(
      v.pipe(v.string(), v.regex(SERIES, "is not the name of a counter")),
      v.pipe(
        v.number("must be a number"),
        v.integer("must be a whole number"),
        v.minValue(0, "must be at least 0"),
      ),
    ),
    v.check(
      (totals) => Object.keys(totals).length <= MAX_COUNTERS,
      `must have at most ${MAX_COUNTERS} counters`,
    ),
  ),
});
export type Report = v.InferOutput<typeof report>;

export const pointsAsked = v.strictObject({
  stepMs: v.picklist(
    steps.map(({ stepMs }) => stepMs),
    "is not a step that is kept",
  ),
  from: v.pipe(v.number("must be a number"), v.integer("must be a whole number")),
});
export type PointsAsked = v.InferOutput<typeof pointsAsked>;

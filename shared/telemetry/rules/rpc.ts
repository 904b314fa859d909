import * as v from "valibot";
import type { Result } from "../../lib/base/result.ts";
import type { Invalid } from "../../lib/worker/validate.ts";
import { type HistoryPoint, steps } from "./history.ts";
import { workers, type WorkerName } from "./metrics.ts";
import { SERIES } from "./series.ts";

/**
 * The RPC surface of the Durable Object `Telemetry`, which has the counters of the whole fleet, at
 * `env.TELEMETRY.getByName(TELEMETRY_NAME)`.
 */
export interface TelemetryRpc {
  /**
   * Accepts the totals that an isolate has counted since it started: all of them, or those that
   * have grown since the last acknowledged report. Because they are totals, not differences, lost,
   * late and repeated reports do no harm.
   */
  report(report: CounterReport): Promise<Result<null, Invalid>>;
  /** The sums over all isolates, by series. */
  totals(): Promise<Record<string, number>>;
  /** The totals, and which isolates report. Times in milliseconds since the epoch. */
  inspect(): Promise<TelemetryView>;
  /** The counts of each step from a time on, oldest first. Steps without counts are left out. */
  points(asked: PointsAsked): Promise<Result<HistoryPoint[], Invalid>>;
}

type TelemetryView = {
  totals: Record<string, number>;
  isolates: number;
  reportedAt: Partial<Record<WorkerName, number>>;
};

/** The one object of the fleet. */
export const TELEMETRY_NAME = "fleet";

/** More than the series of `counters.ts` and the counts of the cache together. */
const MAX_COUNTERS = 2_500;

export const report = v.strictObject({
  isolate: v.pipe(
    v.string("must be text"),
    v.regex(/^[\w-]{1,64}$/, "must be 1 to 64 letters, digits or dashes"),
  ),
  worker: v.optional(v.picklist(workers, "must be the name of a Worker")),
  totals: v.pipe(
    v.record(
      v.pipe(v.string(), v.regex(SERIES, "must be the name of a counter")),
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
export type CounterReport = v.InferOutput<typeof report>;

export const pointsAsked = v.strictObject({
  stepMs: v.picklist(
    steps.map(({ stepMs }) => stepMs),
    "must be a stored step",
  ),
  from: v.pipe(v.number("must be a number"), v.integer("must be a whole number")),
});
export type PointsAsked = v.InferOutput<typeof pointsAsked>;

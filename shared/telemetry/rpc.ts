import * as v from "valibot";
import type { Failure } from "../failure.ts";
import type { Result } from "../result.ts";

/** The RPC surface of the Durable Object `Telemetry`: counters of the whole fleet, at `env.TELEMETRY.getByName(TELEMETRY_NAME)`. */
export interface TelemetryRpc {
  /**
   * Takes what an isolate has counted since it began. Reports are totals, not differences: one that is lost, late or comes twice
   * changes nothing for the worse.
   */
  report(report: Report): Promise<Result<null, Extract<Failure, { tag: "invalid" }>>>;
  /** The sums over all isolates, by name. */
  totals(): Promise<Record<string, number>>;
}

/** The one object of the fleet. */
export const TELEMETRY_NAME = "fleet";

const MAX_COUNTERS = 200;

export const report = v.strictObject({
  isolate: v.pipe(v.string("must be text"), v.regex(/^[\w-]{1,64}$/, "must be 1 to 64 letters, digits or dashes")),
  totals: v.pipe(
    v.record(
      v.pipe(v.string(), v.regex(/^[a-zA-Z][\w.]{0,63}$/, "is not the name of a counter")),
      v.pipe(v.number("must be a number"), v.integer("must be a whole number"), v.minValue(0, "must be at least 0")),
    ),
    v.check((totals) => Object.keys(totals).length <= MAX_COUNTERS, `must have at most ${MAX_COUNTERS} counters`),
  ),
});
export type Report = v.InferOutput<typeof report>;

import type { SeriesCounts } from "./rules/history.ts";
import { metricOf } from "./rules/metrics.ts";
import { parseSeries } from "./rules/series.ts";

/** The counts of an isolate as data points of Workers Analytics Engine. Pure. */

/**
 * The limit per invocation of a Worker
 * (https://developers.cloudflare.com/analytics/analytics-engine/limits/).
 */
const MAX_POINTS = 25;
/** Pending points beyond this are dropped. The fleet's own counters still have their counts. */
const MAX_PENDING = 1_000;

/**
 * `indexes`: the metric. `blobs`: the metric, then its labels as `name=value`. `doubles`: the
 * increment of its count and, for a histogram, of its sum, in the metric's unit.
 */
type DataPoint = { indexes: [string]; blobs: string[]; doubles: number[] };

/** Increments to write: one point per series. A histogram is one series. */
export class AnalyticsPoints {
  readonly #pending = new Map<string, DataPoint>();

  add(increments: SeriesCounts): void {
    for (const [series, increment] of Object.entries(increments)) {
      const { name, labels } = parseSeries(series);
      const [metric, part] = partOf(name);
      const { le: _, ...own } = labels;
      const blobs = [metric, ...Object.entries(own).map(([label, value]) => `${label}=${value}`)];
      const key = blobs.join();
      const point = this.#pending.get(key) ?? { indexes: [metric], blobs, doubles: [0, 0] };
      const [count = 0, sum = 0] = point.doubles;
      point.doubles =
        part === "sum" ? [count, sum + increment / unitOf(metric)] : [count + increment, sum];
      if (this.#pending.size < MAX_PENDING) this.#pending.set(key, point);
    }
  }

  /** Removes and returns the points to write now. The others follow at the next call. */
  take(): DataPoint[] {
    const taken = [...this.#pending].slice(0, MAX_POINTS);
    for (const [key] of taken) this.#pending.delete(key);
    return taken.map(([, point]) => point);
  }
}

function partOf(name: string): [metric: string, part: "count" | "sum"] {
  const [, metric, part] = /^(.+)_(bucket|sum)$/.exec(name) ?? [];
  if (metric === undefined || metricOf(metric)?.kind !== "histogram") return [name, "count"];
  return [metric, part === "sum" ? "sum" : "count"];
}

function unitOf(metric: string): number {
  const known = metricOf(metric);
  return known?.kind === "histogram" ? known.per : 1;
}

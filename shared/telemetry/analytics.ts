import type { Counts } from "./rules/history.ts";
import { metricOf } from "./rules/metrics.ts";
import { parseSeries } from "./rules/series.ts";

/** What an isolate counted, as data points of Workers Analytics Engine. Pure. */

/**
 * What one call of a Worker may write
 * (https://developers.cloudflare.com/analytics/analytics-engine/limits/). A report belongs to one.
 */
const MAX_POINTS = 25;
/** What is owed beyond is let go: it is counted in the fleet's own counters all the same. */
const MAX_OWED = 1_000;

/**
 * `indexes`: the metric. `blobs`: the metric, then its labels as `name=value`. `doubles`: by how
 * much it grew, and, for a histogram, by how much its sum grew, in its own unit.
 */
type Point = { indexes: [string]; blobs: string[]; doubles: number[] };

/** Increments that are yet to be written, a point for each series; a histogram is one. */
export class AnalyticsPoints {
  readonly #owed = new Map<string, Point>();

  add(increments: Counts): void {
    for (const [series, increment] of Object.entries(increments)) {
      const { name, labels } = parseSeries(series);
      const [metric, part] = partOf(name);
      const { le: _, ...own } = labels;
      const blobs = [metric, ...Object.entries(own).map(([label, value]) => `${label}=${value}`)];
      const key = blobs.join();
      const point = this.#owed.get(key) ?? { indexes: [metric], blobs, doubles: [0, 0] };
      const [count = 0, sum = 0] = point.doubles;
      point.doubles =
        part === "sum" ? [count, sum + increment / unitOf(metric)] : [count + increment, sum];
      if (this.#owed.size < MAX_OWED) this.#owed.set(key, point);
    }
  }

  /** What may be written now; the rest comes with the next. */
  take(): Point[] {
    const taken = [...this.#owed].slice(0, MAX_POINTS);
    for (const [key] of taken) this.#owed.delete(key);
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

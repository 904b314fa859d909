import { metricOf } from "./metrics.ts";
import { parseSeries } from "./series.ts";

/** The history of the fleet's counters, for charts. Pure. */

/** The charts of counts. Each point is the count within its step. */
export const chartNames = [
  "requests",
  "errors5xx",
  "cacheHits",
  "cacheMisses",
  "cacheErrors",
  "cacheFallbacks",
  "emailsAccepted",
  "emailsSent",
  "emailAttempts",
  "emailsDead",
  "taskRuns",
  "taskFailures",
] as const;
export type ChartName = (typeof chartNames)[number];

/**
 * Counts of one step, by chart. `latency:<bound>`: the requests whose duration in seconds was at
 * most this bound and above the next lower one.
 */
export type SeriesCounts = Record<string, number>;
export type HistoryPoint = { at: number; counts: SeriesCounts };

const LATENCY = "latency:";

/** The stored steps, and how long each is kept. */
export const steps = [
  { stepMs: 60_000, keptMs: 24 * 3_600_000 },
  { stepMs: 3_600_000, keptMs: 30 * 24 * 3_600_000 },
] as const;

export const startOf = (at: number, stepMs: number): number => Math.floor(at / stepMs) * stepMs;

const cacheCharts: Record<string, ChartName> = {
  hitsL1: "cacheHits",
  hitsL2: "cacheHits",
  hitsStale: "cacheHits",
  misses: "cacheMisses",
  fallbacks: "cacheFallbacks",
  kvErrors: "cacheErrors",
  tagIndexErrors: "cacheErrors",
  corrupt: "cacheErrors",
  tooLarge: "cacheErrors",
};

/** The charts that a series counts for. */
function chartsOf(series: string): string[] {
  if (series.startsWith("cache.")) return [cacheCharts[series.slice("cache.".length)] ?? []].flat();
  const { name, labels } = parseSeries(series);
  switch (name) {
    case "luna_http_requests_total":
      return labels["status"] === "5xx" ? ["requests", "errors5xx"] : ["requests"];
    case "luna_http_request_duration_seconds_bucket":
      return [`${LATENCY}${labels["le"] ?? "+Inf"}`];
    case "luna_emails_accepted_total":
      return ["emailsAccepted"];
    case "luna_email_attempts_total":
      return ["emailAttempts"];
    case "luna_emails_settled_total":
      return labels["status"] === "sent"
        ? ["emailsSent"]
        : labels["status"] === "dead"
          ? ["emailsDead"]
          : [];
    case "luna_task_runs_total":
      return labels["outcome"] === "failure" ? ["taskRuns", "taskFailures"] : ["taskRuns"];
    default:
      return [];
  }
}

/** The counts that a report adds to the step in which it arrives. */
export function countsOf(increments: Record<string, number>): SeriesCounts {
  const counts: SeriesCounts = {};
  for (const [series, increment] of Object.entries(increments)) {
    for (const chart of chartsOf(series)) counts[chart] = (counts[chart] ?? 0) + increment;
  }
  return counts;
}

/** Adds to `sums` in place, since there may be thousands of series. */
export function add(sums: SeriesCounts, counts: SeriesCounts): SeriesCounts {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

export type Charts = Record<ChartName, number[]> & {
  requestLatencyP50Ms: (number | null)[];
  requestLatencyP99Ms: (number | null)[];
};

/** One list per chart, with one value per step from `from` on. Steps without counts are zero. */
export function chartsFrom(
  points: readonly HistoryPoint[],
  from: number,
  stepMs: number,
  length: number,
): Charts {
  const byStep = new Map(points.map(({ at, counts }) => [at, counts]));
  const counts = Array.from({ length }, (_, n) => byStep.get(from + n * stepMs) ?? {});
  const lists = chartNames.map((name) => [name, counts.map((step) => step[name] ?? 0)]);
  return {
    ...(Object.fromEntries(lists) as Record<ChartName, number[]>),
    requestLatencyP50Ms: counts.map((step) => latencyMs(step, 0.5)),
    requestLatencyP99Ms: counts.map((step) => latencyMs(step, 0.99)),
  };
}

/**
 * Estimated within its bucket like `histogram_quantile` of Prometheus: a quantile above the last
 * bound is reported as that bound.
 */
function latencyMs(counts: SeriesCounts, quantile: number): number | null {
  const metric = metricOf("luna_http_request_duration_seconds");
  if (metric?.kind !== "histogram") return null;
  const buckets = [...metric.bounds, Infinity].map((bound) => ({
    bound,
    count: counts[`${LATENCY}${bound === Infinity ? "+Inf" : bound}`] ?? 0,
  }));
  const wanted = quantile * buckets.reduce((total, { count }) => total + count, 0);
  if (wanted === 0) return null;
  let below = 0;
  let lower = 0;
  for (const { bound, count } of buckets) {
    if (below + count >= wanted) {
      const seconds =
        bound === Infinity ? lower : lower + (bound - lower) * ((wanted - below) / count);
      return Math.round(seconds * 1_000 * 10) / 10;
    }
    below += count;
    lower = bound;
  }
  return null;
}

import type { CacheCounts } from "../../lib/cache/rules/index.ts";
import { cacheCountOf } from "./cache-counts.ts";
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

const cacheCharts: Partial<Record<keyof CacheCounts, ChartName>> = {
  hitsL1: "cacheHits",
  hitsL2: "cacheHits",
  hitsStale: "cacheHits",
  misses: "cacheMisses",
  fallbacks: "cacheFallbacks",
  kvErrors: "cacheErrors",
  tagIndexErrors: "cacheErrors",
  corrupt: "cacheErrors",
  tooLarge: "cacheErrors",
  unstorable: "cacheErrors",
};

/** The charts that a series counts for. */
function chartsOf(series: string): string[] {
  const { name, labels } = parseSeries(series);
  const count = cacheCountOf(name);
  if (count !== null) return [cacheCharts[count] ?? []].flat();
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

/** Where a quantile lies. `toMs`: null above the last bound. */
type LatencyRange = { fromMs: number; toMs: number | null };

export type Charts = Record<ChartName, number[]> & {
  requestLatencyP50Ms: (number | null)[];
  requestLatencyP99Ms: (number | null)[];
  requestLatencyP50Range: (LatencyRange | null)[];
  requestLatencyP99Range: (LatencyRange | null)[];
};

/**
 * Whether anything was reported in each step. A task runs each minute, so nothing is reported only
 * while Luna does not run, or before it ran.
 */
export function reportedSteps(
  points: readonly HistoryPoint[],
  from: number,
  stepMs: number,
  length: number,
): boolean[] {
  const known = new Set(points.map(({ at }) => at));
  return Array.from({ length }, (_, n) => known.has(from + n * stepMs));
}

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
  const p50 = counts.map((step) => latencyOf(step, 0.5));
  const p99 = counts.map((step) => latencyOf(step, 0.99));
  return {
    ...(Object.fromEntries(lists) as Record<ChartName, number[]>),
    requestLatencyP50Ms: p50.map((latency) => latency?.estimateMs ?? null),
    requestLatencyP99Ms: p99.map((latency) => latency?.estimateMs ?? null),
    requestLatencyP50Range: p50.map((latency) => latency?.range ?? null),
    requestLatencyP99Range: p99.map((latency) => latency?.range ?? null),
  };
}

const MS_PER_SECOND = 1_000;

/**
 * The bucket of a quantile, and an estimate within it like `histogram_quantile` of Prometheus: a
 * quantile above the last bound is estimated as that bound.
 */
function latencyOf(
  counts: SeriesCounts,
  quantile: number,
): { estimateMs: number; range: LatencyRange } | null {
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
      const isLast = bound === Infinity;
      const seconds = isLast ? lower : lower + (bound - lower) * ((wanted - below) / count);
      return {
        estimateMs: Math.round(seconds * MS_PER_SECOND * 10) / 10,
        range: {
          fromMs: lower * MS_PER_SECOND,
          toMs: isLast ? null : bound * MS_PER_SECOND,
        },
      };
    }
    below += count;
    lower = bound;
  }
  return null;
}

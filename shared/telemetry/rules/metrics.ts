/**
 * Every metric of `GET /metrics` (Prometheus naming: `_total` for counters, base units). Pure.
 */

/**
 * The values that a label may have: a fixed set, or names that other definitions contribute.
 */
type Values = readonly string[] | typeof NAMES;

/** The names of operations, tasks, transports or dependencies. See `KnownNames`. */
const NAMES = "names";

type Common = { help: string; labels: Readonly<Record<string, Values>> };
export type Metric =
  /** Counted by isolates; with `from`, read elsewhere at each scrape. */
  | (Common & { kind: "counter"; from?: "scrape" })
  /** Read at each scrape. */
  | (Common & { kind: "gauge" })
  /**
   * `per`: how many observed units (such as milliseconds) make one exposed unit. `bounds`: the
   * upper bounds, in the exposed unit.
   */
  | (Common & { kind: "histogram"; per: number; bounds: readonly number[] });

const MS_PER_SECOND = 1_000;

export const workers = ["api", "consumer", "cron"] as const;
export type WorkerName = (typeof workers)[number];
/** The parts of a scrape. */
const parts = ["telemetry", "breakers", "email", "tasks"] as const;
export type Part = (typeof parts)[number];

export const statusClasses = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;
export const requestMethods = [
  "GET",
  "HEAD",
  "POST",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "other",
] as const;

export const metrics = {
  luna_http_requests_total: {
    kind: "counter",
    help: "HTTP requests by operation (none: unknown path), method and status class.",
    labels: { operation: NAMES, method: requestMethods, status: statusClasses },
  },
  luna_http_request_duration_seconds: {
    kind: "histogram",
    help: "Time from the arrival of a request to its response, by operation.",
    labels: { operation: NAMES },
    per: MS_PER_SECOND,
    bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  luna_cache_reads_total: {
    kind: "counter",
    help: "Cache reads by source: l1, l2, stale, origin (miss), fallback, or none (unanswered).",
    labels: { tier: ["l1", "l2", "stale", "miss", "fallback", "unanswered"] },
  },
  luna_cache_errors_total: {
    kind: "counter",
    help: "Failures during cache reads: of KV, the tag index, an entry, or the origin (load).",
    labels: { kind: ["kv", "kv_rate_limited", "tag_index", "corrupt", "too_large", "load"] },
  },
  luna_cache_loads_total: { kind: "counter", help: "Loads from the origin.", labels: {} },
  luna_cache_refreshes_total: {
    kind: "counter",
    help: "Background loads of entries that were served meanwhile.",
    labels: {},
  },
  luna_cache_writes_total: {
    kind: "counter",
    help: "Entries written to KV.",
    labels: {},
  },
  luna_cache_purges_total: { kind: "counter", help: "Purges.", labels: {} },
  luna_database_transactions_total: {
    kind: "counter",
    help: "Writes to D1 by outcome. refused: by a constraint; unknown: the reply was lost.",
    labels: { outcome: ["committed", "refused", "failed", "unknown"] },
  },
  luna_circuit_breaker_state: {
    kind: "gauge",
    help: "1 for the current state of a dependency's circuit breaker, 0 for the other states.",
    labels: { dependency: NAMES, state: ["closed", "open", "half_open"] },
  },
  luna_circuit_breaker_transitions_total: {
    kind: "counter",
    from: "scrape",
    help: "State changes of a dependency's circuit breaker.",
    labels: { dependency: NAMES },
  },
  luna_circuit_breaker_rejections_total: {
    kind: "counter",
    help: "Calls that a circuit breaker rejected.",
    labels: { dependency: NAMES },
  },
  luna_emails_accepted_total: { kind: "counter", help: "Accepted emails.", labels: {} },
  luna_email_attempts_total: {
    kind: "counter",
    help: "Attempts to hand an email to a transport, by outcome.",
    labels: {
      transport: NAMES,
      outcome: ["accepted", "refused_transient", "refused_permanent", "unknown", "deferred"],
    },
  },
  luna_emails_settled_total: {
    kind: "counter",
    help: "Emails whose delivery ended: sent, dead or unknown.",
    labels: { status: ["sent", "dead", "unknown"] },
  },
  luna_email_queue_age_seconds: {
    kind: "histogram",
    help: "Time from when an email was due to its claim.",
    labels: {},
    per: MS_PER_SECOND,
    bounds: [1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600],
  },
  luna_email_attempts: {
    kind: "histogram",
    help: "Attempts that an email took until it was sent or dead.",
    labels: {},
    per: 1,
    bounds: [1, 2, 3, 4, 8],
  },
  luna_email_backlog: {
    kind: "gauge",
    help: "Emails by current state. due: the queued emails whose time has come.",
    labels: { state: ["scheduled", "queued", "pinned", "due", "in_flight", "unknown"] },
  },
  luna_email_oldest_due_age_seconds: {
    kind: "gauge",
    help: "How long the oldest due email has been due.",
    labels: {},
  },
  luna_dead_letters: { kind: "gauge", help: "Dead letters to replay or discard.", labels: {} },
  luna_task_runs_total: {
    kind: "counter",
    help: "Runs of scheduled tasks by outcome.",
    labels: { task: NAMES, outcome: ["success", "failure"] },
  },
  luna_task_duration_seconds: {
    kind: "histogram",
    help: "Duration of the runs of a scheduled task.",
    labels: { task: NAMES },
    per: MS_PER_SECOND,
    bounds: [0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300],
  },
  luna_task_missed_slots_total: {
    kind: "counter",
    help: "Slots of a scheduled task that passed without a run.",
    labels: { task: NAMES },
  },
  luna_tasks_overdue: {
    kind: "gauge",
    help: "Scheduled tasks whose deadline has passed without a run.",
    labels: {},
  },
  luna_tasks_watched: {
    kind: "gauge",
    help: "Scheduled tasks that the watchdog watches.",
    labels: {},
  },
  luna_uncaught_exceptions_total: {
    kind: "counter",
    help: "Uncaught exceptions, by Worker.",
    labels: { worker: workers },
  },
  luna_alerts_sent_total: {
    kind: "counter",
    help: "Notices that an alert channel delivered.",
    labels: { channel: ["email", "webhook"] },
  },
  luna_alert_failures_total: {
    kind: "counter",
    help: "Notices that an alert channel failed to deliver.",
    labels: { channel: ["email", "webhook"] },
  },
  luna_telemetry_last_report_timestamp_seconds: {
    kind: "gauge",
    help: "When an isolate of a Worker last reported its counts.",
    labels: { worker: workers },
  },
  luna_telemetry_isolates: {
    kind: "gauge",
    help: "Isolates that reported within about the last two hours.",
    labels: {},
  },
  luna_telemetry_dropped_total: {
    kind: "counter",
    help: "Counts dropped because an isolate had too many series.",
    labels: {},
  },
  luna_scrape_ok: {
    kind: "gauge",
    help: "1 if this part of the scrape replied in time, else 0.",
    labels: { part: parts },
  },
} as const satisfies Record<string, Metric>;

type Metrics = typeof metrics;
export type MetricName = keyof Metrics;

type OfKind<Kind extends Metric["kind"]> = {
  [Name in MetricName]: Metrics[Name]["kind"] extends Kind ? Name : never;
}[MetricName];
export type CounterName = OfKind<"counter">;
export type HistogramName = OfKind<"histogram">;

/** The labels of a metric, with their possible values. */
export type Labels<Name extends MetricName> = {
  [
    Label in keyof Metrics[Name]["labels"]
  ]: Metrics[Name]["labels"][Label] extends readonly (infer Value extends string)[]
    ? Value
    : string;
};

/** The metric of that name; null if there is none. */
export function metricOf(name: string): Metric | null {
  return Object.hasOwn(metrics, name) ? metrics[name as MetricName] : null;
}

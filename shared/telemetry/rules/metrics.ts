/**
 * Every metric there is, as `GET /metrics` shows it (Prometheus naming: `_total` for counters, base
 * units). Pure.
 */

/**
 * The values that a label may have: a fixed set, or names that only code or the registered tasks
 * can bring along.
 */
type Values = readonly string[] | typeof NAMES;

/** Operations, tasks, transports, dependencies: sets that other parts define. See `KnownNames`. */
const NAMES = "names";

type Common = { help: string; labels: Readonly<Record<string, Values>> };
export type Metric =
  /** Counted by isolates, unless `from` says that a scrape reads it elsewhere. */
  | (Common & { kind: "counter"; from?: "scrape" })
  /** Read at each scrape. */
  | (Common & { kind: "gauge" })
  /**
   * `per`: what is observed (milliseconds, say) makes up this many of the unit that is shown.
   * `bounds`: upper ones, in what is shown.
   */
  | (Common & { kind: "histogram"; per: number; bounds: readonly number[] });

const MS_PER_SECOND = 1_000;

export const workers = ["api", "consumer", "cron"] as const;
export type WorkerName = (typeof workers)[number];
/** The parts that a scrape is made of. */
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
    help: "HTTP requests by operation of the contract (none: no such path), method and class of status.",
    labels: { operation: NAMES, method: requestMethods, status: statusClasses },
  },
  luna_http_request_duration_seconds: {
    kind: "histogram",
    help: "Time from the arrival of a request to its answer, by operation.",
    labels: { operation: NAMES },
    per: MS_PER_SECOND,
    bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  luna_cache_reads_total: {
    kind: "counter",
    help: "Reads through the cache by what answered them: l1, l2, stale, the origin (miss), the fallback, or nothing (unanswered).",
    labels: { tier: ["l1", "l2", "stale", "miss", "fallback", "unanswered"] },
  },
  luna_cache_errors_total: {
    kind: "counter",
    help: "Failures behind reads of the cache: of KV, of the tag index, of entries, or of the origin (load).",
    labels: { kind: ["kv", "kv_rate_limited", "tag_index", "corrupt", "too_large", "load"] },
  },
  luna_cache_loads_total: { kind: "counter", help: "Loads from the origin.", labels: {} },
  luna_cache_refreshes_total: {
    kind: "counter",
    help: "Loads in the background of what was served meanwhile.",
    labels: {},
  },
  luna_cache_writes_total: {
    kind: "counter",
    help: "Entries that were written to KV.",
    labels: {},
  },
  luna_cache_purges_total: { kind: "counter", help: "Purges.", labels: {} },
  luna_database_transactions_total: {
    kind: "counter",
    help: "Writes to D1 by outcome; refused: a constraint held, as it should; unknown: its reply was lost, and nobody can tell.",
    labels: { outcome: ["committed", "refused", "failed", "unknown"] },
  },
  luna_circuit_breaker_state: {
    kind: "gauge",
    help: "1 for the state that the breaker of a dependency is in, 0 for the others.",
    labels: { dependency: NAMES, state: ["closed", "open", "half_open"] },
  },
  luna_circuit_breaker_transitions_total: {
    kind: "counter",
    from: "scrape",
    help: "Changes of state of the breaker of a dependency.",
    labels: { dependency: NAMES },
  },
  luna_circuit_breaker_rejections_total: {
    kind: "counter",
    help: "Calls that an open breaker did not let through.",
    labels: { dependency: NAMES },
  },
  luna_emails_accepted_total: { kind: "counter", help: "Mails that were accepted.", labels: {} },
  luna_email_attempts_total: {
    kind: "counter",
    help: "Hand-overs of mails to a transport by what it said.",
    labels: {
      transport: NAMES,
      outcome: ["accepted", "refused_transient", "refused_permanent", "unknown", "deferred"],
    },
  },
  luna_emails_settled_total: {
    kind: "counter",
    help: "Mails whose hand-over ended: sent, dead, or unknown.",
    labels: { status: ["sent", "dead", "unknown"] },
  },
  luna_email_queue_age_seconds: {
    kind: "histogram",
    help: "Time from when a mail was due to its claim.",
    labels: {},
    per: MS_PER_SECOND,
    bounds: [1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600],
  },
  luna_email_attempts: {
    kind: "histogram",
    help: "Attempts that a mail took until it was sent or dead.",
    labels: {},
    per: 1,
    bounds: [1, 2, 3, 4, 8],
  },
  luna_email_backlog: {
    kind: "gauge",
    help: "Mails by state now. due: those of queued that could go out.",
    labels: { state: ["scheduled", "queued", "pinned", "due", "in_flight", "unknown"] },
  },
  luna_email_oldest_due_age_seconds: {
    kind: "gauge",
    help: "For how long the longest waiting mail has been due.",
    labels: {},
  },
  luna_dead_letters: { kind: "gauge", help: "Dead letters that wait for somebody.", labels: {} },
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
    help: "Scheduled tasks that should have run by now and have not.",
    labels: {},
  },
  luna_tasks_watched: {
    kind: "gauge",
    help: "Scheduled tasks that the watchdog knows of.",
    labels: {},
  },
  luna_uncaught_exceptions_total: {
    kind: "counter",
    help: "Exceptions that nobody expected, by the Worker that met them at its edge.",
    labels: { worker: workers },
  },
  luna_alerts_sent_total: {
    kind: "counter",
    help: "Notices that a channel took.",
    labels: { channel: ["email", "webhook"] },
  },
  luna_alert_failures_total: {
    kind: "counter",
    help: "Notices that a channel did not take.",
    labels: { channel: ["email", "webhook"] },
  },
  luna_telemetry_last_report_timestamp_seconds: {
    kind: "gauge",
    help: "When an isolate of a Worker last reported what it had counted.",
    labels: { worker: workers },
  },
  luna_telemetry_isolates: {
    kind: "gauge",
    help: "Isolates that reported within the last two hours or so.",
    labels: {},
  },
  luna_telemetry_dropped_total: {
    kind: "counter",
    help: "Counts that had no room among an isolate's series.",
    labels: {},
  },
  luna_scrape_ok: {
    kind: "gauge",
    help: "Whether a part of this scrape was answered in time.",
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

/** What the labels of a metric may be. */
export type Labels<Name extends MetricName> = {
  [
    Label in keyof Metrics[Name]["labels"]
  ]: Metrics[Name]["labels"][Label] extends readonly (infer Value extends string)[]
    ? Value
    : string;
};

/** The metric of that name, if there is one. */
export function metricOf(name: string): Metric | null {
  return Object.hasOwn(metrics, name) ? metrics[name as MetricName] : null;
}

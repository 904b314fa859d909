import { emailGauges } from "./email-gauges.ts";
import { feedbackMetrics } from "./feedback-metrics.ts";
import { callMetrics } from "./job-metrics.ts";

/** Every metric of `GET /metrics`, by Prometheus naming (`_total`, base units). Pure. */

/**
 * The values that a label may have: a fixed set, or names that other definitions contribute.
 */
type Values = readonly string[] | typeof NAMES | typeof REGISTERED;

/** The names of operations, tasks, transports or dependencies. See `KnownNames`. */
const NAMES = "names";
/** The names of registered circuit breakers. */
const REGISTERED = "registered";

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

export const workerNames = ["api", "consumer", "cron"] as const;
export type WorkerName = (typeof workerNames)[number];
/** The parts of a scrape. */
const parts = ["telemetry", "breakers", "email", "tasks", "cache"] as const;
export type Part = (typeof parts)[number];

/** `aborted`: the client went away before its body had arrived. */
export const statusClasses = ["1xx", "2xx", "3xx", "4xx", "5xx", "aborted"] as const;
export const requestMethods = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "other",
] as const;

/** The families of Luna's cache keys: the text before the first colon. */
export const cacheFamilies = ["user", "email", "email_template", "api_key"] as const;

/**
 * `other`: another product's Worker that uses Luna's cache, and keys that are not Luna's. Counts of
 * releases before these labels have neither.
 */
const ofCache = {
  worker: [...workerNames, "other"],
  family: [...cacheFamilies, "other"],
} as const;

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
    help: "Cache reads by source. l1, l2 and stale are hits; for the others the origin was asked.",
    labels: {
      tier: ["l1", "l2", "stale", "stale_on_error", "miss", "fallback", "unanswered"],
      ...ofCache,
    },
  },
  luna_cache_errors_total: {
    kind: "counter",
    help: "Failures during cache reads: of KV, the tag index, an entry, or the origin (load).",
    labels: {
      kind: ["kv", "kv_rate_limited", "tag_index", "corrupt", "too_large", "unstorable", "load"],
      ...ofCache,
    },
  },
  luna_cache_loads_total: { kind: "counter", help: "Loads from the origin.", labels: ofCache },
  luna_cache_refreshes_total: {
    kind: "counter",
    help: "Background loads of entries that were served meanwhile.",
    labels: ofCache,
  },
  luna_cache_writes_total: {
    kind: "counter",
    help: "Entries written to KV.",
    labels: ofCache,
  },
  luna_cache_purges_total: { kind: "counter", help: "Purges.", labels: ofCache },
  luna_database_transactions_total: {
    kind: "counter",
    help: "Writes to D1 by outcome. refused: by a constraint; unknown: the reply was lost.",
    labels: { outcome: ["committed", "refused", "failed", "unknown"] },
  },
  luna_database_size_bytes: {
    kind: "gauge",
    help: "How large D1 is, without free pages.",
    labels: {},
  },
  luna_database_limit_bytes: {
    kind: "gauge",
    help: "How large D1 may become: DATABASE_LIMIT_MB, or less if it was full.",
    labels: {},
  },
  luna_object_size_bytes: {
    kind: "gauge",
    help: "Storage of a Durable Object; for breakers, of the largest. At most 10 GB.",
    labels: { object: ["telemetry", "task_watchdog", "circuit_breaker", "cache_tag_index"] },
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
  luna_circuit_breaker_admitted_share: {
    kind: "gauge",
    help: "The share of the calls that runs: 1 if closed, 0 if open, between in a ramp.",
    labels: { dependency: NAMES },
  },
  luna_circuit_breaker_window_calls: {
    kind: "gauge",
    help: "Calls of the window of a closed breaker that failed, were slow or were held.",
    labels: { dependency: NAMES, outcome: ["failed", "slow", "held"] },
  },
  luna_circuit_breaker_next_probe_seconds: {
    kind: "gauge",
    help: "Seconds until the next probe may run. 0 while closed.",
    labels: { dependency: NAMES },
  },
  luna_circuit_breaker_announced_timestamp_seconds: {
    kind: "gauge",
    help: "When a circuit breaker of another Worker last announced itself.",
    labels: { dependency: REGISTERED },
  },
  luna_circuit_breakers_refused: {
    kind: "gauge",
    help: "Breakers of other Workers that are not listed: the list is full, or their name is bad.",
    labels: { reason: ["full", "name"] },
  },
  luna_circuit_breaker_rejections_total: {
    kind: "counter",
    help: "Calls of Luna that a circuit breaker rejected.",
    labels: { dependency: NAMES },
  },
  luna_emails_accepted_total: { kind: "counter", help: "Accepted emails.", labels: {} },
  luna_email_attempts_total: {
    kind: "counter",
    help: "Attempts to hand an email to a transport, by outcome.",
    labels: {
      transport: NAMES,
      outcome: [
        "accepted",
        "refused_transient",
        "refused_permanent",
        "needs_time",
        "rate_limited",
        "server_failed",
        "unknown",
        "deferred",
      ],
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
    help: "Emails by current state, counted up to 1,000. due: the queued ones whose time has come.",
    labels: { state: ["scheduled", "queued", "pinned", "due", "in_flight", "unknown"] },
  },
  ...emailGauges,
  ...feedbackMetrics,
  luna_dead_letters: {
    kind: "gauge",
    help: "Dead letters to replay or discard, counted up to 1,000.",
    labels: {},
  },
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
  ...callMetrics,
  luna_uncaught_exceptions_total: {
    kind: "counter",
    help: "Uncaught exceptions, by Worker.",
    labels: { worker: workerNames },
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
    labels: { worker: workerNames },
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

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { knownNames } from "../../shared/dependencies/dependencies.ts";
import { exposition, type Sample } from "../../shared/telemetry/rules/exposition.ts";
import { workerNames, type Part } from "../../shared/telemetry/rules/metrics.ts";
import { knownSeries } from "../../workers/api/known-series.ts";

/**
 * docs/operate/alert-rules.yml, evaluated by Prometheus' own promtool on the series that Luna
 * exposes: a healthy system is silent, and each failure fires its rule. `npm run test:deep` needs
 * promtool; elsewhere these tests run where it is installed.
 */

type Rule = {
  alert?: string;
  record?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
};
const FILE = "docs/operate/alert-rules.yml";
const rules = (parse(readFileSync(FILE, "utf8")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const alerts = rules.filter(({ alert }) => alert !== undefined);

/** What a panel with one value shows. Without a value Grafana prints "No data". */
const shown = (
  JSON.parse(readFileSync("docs/operate/grafana-dashboard.json", "utf8")) as {
    panels: { type: string; targets?: { expr: string }[] }[];
  }
).panels
  .filter(({ type }) => type === "stat")
  .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr.replaceAll("$__range", "6h")));

const MINUTES = 480;
/** promtool's notation: a start, a step per minute, and how many steps. */
const constant = (value: number): string => `${value}+0x${MINUTES}`;
const rising = (perMinute: number): string => `0+${perMinute}x${MINUTES}`;
/** Constant, except that it is higher by `by` from a minute on: the first count of a counter. */
const oneStep = (by: number, at = 60): string => `0+0x${at} ${by}+0x${MINUTES - at}`;
/** From a minute on it rises. */
const risingFrom = (perMinute: number, at = 60): string =>
  `0+0x${at} ${perMinute}+${perMinute}x${MINUTES - at}`;

type SeriesValues = Map<string, string>;

/** Each series that a deployment exposes before anything failed, under light traffic. */
function healthy(): SeriesValues {
  const parts: Part[] = ["telemetry", "breakers", "email", "tasks", "cache"];
  const backlog = ["scheduled", "queued", "pinned", "due", "in_flight", "unknown"];
  const gauges: Sample[] = [
    ...parts.map((part) => ({ name: "luna_scrape_ok" as const, labels: { part }, value: 1 })),
    ...knownNames.dependency.flatMap((dependency) =>
      ["closed", "open", "half_open"].map((state) => ({
        name: "luna_circuit_breaker_state" as const,
        labels: { dependency, state },
        value: state === "closed" ? 1 : 0,
      })),
    ),
    ...backlog.map((state) => ({
      name: "luna_email_backlog" as const,
      labels: { state },
      value: 0,
    })),
    ...knownNames.dependency.map((dependency) => ({
      name: "luna_circuit_breaker_transitions_total" as const,
      labels: { dependency },
      value: 0,
    })),
    ...(
      [
        "luna_email_oldest_due_age_seconds",
        "luna_dead_letters",
        "luna_tasks_overdue",
        "luna_tasks_watched",
        "luna_telemetry_isolates",
      ] as const
    ).map((name) => ({ name, labels: {}, value: 0 })),
    ...workerNames.map((worker) => ({
      name: "luna_telemetry_last_report_timestamp_seconds" as const,
      labels: { worker },
      value: 0,
    })),
    { name: "luna_database_size_bytes", labels: {}, value: 1e9 },
    { name: "luna_database_limit_bytes", labels: {}, value: 10e9 },
    ...["telemetry", "task_watchdog", "circuit_breaker", "cache_tag_index"].map((object) => ({
      name: "luna_object_size_bytes" as const,
      labels: { object },
      value: 1e6,
    })),
    ...["full", "name"].map((reason) => ({
      name: "luna_circuit_breakers_refused" as const,
      labels: { reason },
      value: 0,
    })),
    // The breaker of another Worker, which announced itself when promtool's clock began.
    ...["closed", "open", "half_open"].map((state) => ({
      name: "luna_circuit_breaker_state" as const,
      labels: { dependency: "prices", state },
      value: state === "closed" ? 1 : 0,
    })),
    {
      name: "luna_circuit_breaker_announced_timestamp_seconds",
      labels: { dependency: "prices" },
      value: 0,
    },
  ];
  const names = { ...knownNames, task: ["sweep-outbox", "roll-up-usage"] };
  const lines = exposition({}, gauges, names, knownSeries)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]);
  const series = new Map(lines.map(([name = "", value]) => [name, constant(Number(value))]));
  for (const [name, value] of Object.entries(traffic)) {
    expect(series.has(name), `${name} is exposed from the start`).toBe(true);
    series.set(name, value);
  }
  return series.set('up{job="luna"}', constant(1));
}

const traffic: Record<string, string> = {
  'luna_http_requests_total{operation="getUser",method="GET",status="2xx"}': rising(300),
  'luna_http_requests_total{operation="getUser",method="GET",status="4xx"}': rising(30),
  'luna_cache_reads_total{tier="l1",worker="api",family="user"}': rising(300),
  'luna_cache_reads_total{tier="miss",worker="api",family="user"}': rising(30),
  // The origin of another product's Worker is down.
  'luna_cache_reads_total{tier="unanswered",worker="other",family="other"}': rising(300),
  'luna_task_runs_total{task="sweep-outbox",outcome="success"}': rising(1),
  'luna_emails_settled_total{status="sent"}': rising(10),
  'luna_database_transactions_total{outcome="committed"}': rising(30),
  'luna_database_transactions_total{outcome="refused"}': rising(1),
  // promtool's clock starts at zero.
  'luna_telemetry_last_report_timestamp_seconds{worker="cron"}': rising(60),
};

const getUser = (status: string): string =>
  `luna_http_requests_total{operation="getUser",method="GET",status="${status}"}`;
const breaker = (state: string): string =>
  `luna_circuit_breaker_state{dependency="database",state="${state}"}`;
/** Open for one minute of each two, and half-open for the other. */
const alternating = (first: number): string =>
  Array.from({ length: MINUTES }, (_, minute) => (minute + first) % 2).join(" ");

type Scenario = {
  name: string;
  alert: string;
  /** Other than in a healthy system. Null: the series does not exist. */
  series: Record<string, string | null>;
  at: string;
  /** Of the alert, besides its severity. */
  labels?: Record<string, string>;
};

const scenarios: Scenario[] = [
  {
    name: "reads get no answer",
    alert: "LunaCacheUnavailable",
    series: {
      'luna_cache_reads_total{tier="unanswered",worker="api",family="user"}': risingFrom(30),
    },
    at: "100m",
  },
  {
    name: "the first write fails",
    alert: "LunaTransactionsFail",
    series: { 'luna_database_transactions_total{outcome="failed"}': oneStep(1) },
    at: "65m",
    labels: { outcome: "failed" },
  },
  {
    name: "half of the reads are misses",
    alert: "LunaCacheHitRateLow",
    series: { 'luna_cache_reads_total{tier="miss",worker="api",family="user"}': rising(300) },
    at: "100m",
  },
  {
    name: "one run in ten fails",
    alert: "LunaTasksFail",
    series: { 'luna_task_runs_total{task="sweep-outbox",outcome="failure"}': rising(0.12) },
    at: "420m",
  },
  {
    name: "one email in ten is dead",
    alert: "LunaDeliveryLow",
    series: { 'luna_emails_settled_total{status="dead"}': rising(1) },
    at: "100m",
  },
  {
    name: "the first errors of an operation come between two scrapes",
    alert: "LunaErrors",
    series: {
      'luna_http_requests_total{operation="sendEmail",method="POST",status="5xx"}': oneStep(500),
    },
    at: "63m",
  },
  {
    name: "a few requests fail for hours",
    alert: "LunaErrorsSlowly",
    series: { [getUser("5xx")]: rising(1) },
    at: "470m",
  },
  {
    name: "the first exception",
    alert: "LunaUncaughtException",
    series: { 'luna_uncaught_exceptions_total{worker="consumer"}': oneStep(1) },
    at: "65m",
    labels: { worker: "consumer" },
  },
  {
    name: "a breaker is open",
    alert: "LunaBreakerOpen",
    series: { [breaker("open")]: constant(1), [breaker("closed")]: constant(0) },
    at: "10m",
    labels: { dependency: "database" },
  },
  {
    name: "a breaker is open, and a probe under way at every other scrape",
    alert: "LunaBreakerOpen",
    series: {
      [breaker("open")]: alternating(1),
      [breaker("half_open")]: alternating(0),
      [breaker("closed")]: constant(0),
    },
    at: "10m",
    labels: { dependency: "database" },
  },
  {
    name: "the breaker of another Worker is open",
    alert: "LunaOtherBreakerOpen",
    series: {
      'luna_circuit_breaker_state{dependency="prices",state="open"}': constant(1),
      'luna_circuit_breaker_state{dependency="prices",state="closed"}': constant(0),
    },
    at: "10m",
    labels: { dependency: "prices" },
  },
  {
    name: "the list of breakers is full",
    alert: "LunaBreakersRefused",
    series: { 'luna_circuit_breakers_refused{reason="full"}': constant(1) },
    at: "15m",
  },
  {
    name: "a breaker opens and closes every ten minutes",
    alert: "LunaBreakerFlaps",
    series: { 'luna_circuit_breaker_transitions_total{dependency="database"}': rising(0.3) },
    at: "90m",
    labels: { dependency: "database" },
  },
  {
    name: "the database has used 80 %",
    alert: "LunaDatabaseFills",
    series: { luna_database_size_bytes: constant(8e9) },
    at: "20m",
  },
  {
    name: "the database has used 96 %",
    alert: "LunaDatabaseFull",
    series: { luna_database_size_bytes: constant(9.6e9) },
    at: "5m",
  },
  {
    name: "an object has used 80 %",
    alert: "LunaObjectFills",
    series: { 'luna_object_size_bytes{object="telemetry"}': constant(8e9) },
    at: "20m",
    labels: { object: "telemetry" },
  },
  {
    name: "emails die",
    alert: "LunaDeadLettersGrow",
    series: { luna_dead_letters: oneStep(20) },
    at: "70m",
  },
  {
    name: "an email is unknown",
    alert: "LunaUnknownMails",
    series: { 'luna_email_backlog{state="unknown"}': constant(1) },
    at: "30m",
    labels: { state: "unknown" },
  },
  {
    name: "emails wait",
    alert: "LunaQueueStuck",
    series: { luna_email_oldest_due_age_seconds: constant(301) },
    at: "5m",
  },
  {
    name: "a task is overdue",
    alert: "LunaTaskOverdue",
    series: { luna_tasks_overdue: constant(1) },
    at: "5m",
  },
  {
    name: "a task misses its first slots",
    alert: "LunaTaskSlotsMissed",
    series: { 'luna_task_missed_slots_total{task="sweep-outbox"}': oneStep(4) },
    at: "65m",
    labels: { task: "sweep-outbox" },
  },
  {
    name: "most runs of jobs begin late",
    alert: "LunaJobsLate",
    series: {
      'luna_job_delay_seconds_bucket{le="120"}': oneStep(1),
      luna_job_delay_seconds_count: oneStep(20),
    },
    at: "65m",
  },
  {
    name: "the first notice fails",
    alert: "LunaAlertsUnheard",
    series: { 'luna_alert_failures_total{channel="webhook"}': oneStep(1) },
    at: "65m",
    labels: { channel: "webhook" },
  },
  {
    name: "luna-cron reports nothing any more",
    alert: "LunaCronSilent",
    series: { 'luna_telemetry_last_report_timestamp_seconds{worker="cron"}': constant(600) },
    at: "30m",
  },
  {
    name: "luna-cron never reported",
    alert: "LunaCronSilent",
    series: { 'luna_telemetry_last_report_timestamp_seconds{worker="cron"}': constant(0) },
    at: "30m",
  },
  {
    name: "a part of the scrape does not answer",
    alert: "LunaScrapeIncomplete",
    series: { 'luna_scrape_ok{part="email"}': constant(0) },
    at: "10m",
    labels: { part: "email" },
  },
  {
    name: "an isolate drops counts",
    alert: "LunaTelemetryDropped",
    series: { luna_telemetry_dropped_total: oneStep(1) },
    at: "65m",
  },
  {
    name: "luna-api does not answer",
    alert: "LunaUnreachable",
    series: { 'up{job="luna"}': constant(0) },
    at: "10m",
    labels: { job: "luna" },
  },
];

it("has a scenario for each alert, and each series of a scenario is one that Luna exposes", () => {
  expect(new Set(scenarios.map(({ alert }) => alert))).toEqual(
    new Set(alerts.map(({ alert }) => alert)),
  );
  const exposed = healthy();
  const unknown = scenarios.flatMap(({ series }) =>
    Object.keys(series).filter((name) => !exposed.has(name)),
  );
  expect(unknown).toEqual([]);
});

const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined;
const isNeeded = process.env["DEEP"] === "1";

describe.skipIf(!hasPromtool && !isNeeded)("promtool", () => {
  it("accepts the rules", () => {
    const { status, stdout, stderr } = promtool("check", "rules", FILE);
    expect(status, stdout + stderr).toBe(0);
  });

  it("evaluates them: a healthy system is silent with data, and each failure fires its rule", () => {
    const directory = mkdtempSync(join(tmpdir(), "luna-alert-rules-"));
    try {
      const file = join(directory, "tests.yml");
      writeFileSync(file, stringify(unitTests()));
      const { status, stdout, stderr } = promtool("test", "rules", file);
      expect(status, stdout + stderr).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

function promtool(...args: string[]) {
  return spawnSync("promtool", args, { encoding: "utf8" });
}

/** https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/ */
function unitTests() {
  const silent = alerts.flatMap(({ alert }) =>
    ["1m", "30m", "90m", "400m", "470m"].map((at) => ({
      eval_time: at,
      alertname: alert,
      exp_alerts: [],
    })),
  );
  return {
    rule_files: [resolve(FILE)],
    evaluation_interval: "1m",
    tests: [
      {
        name: "healthy",
        interval: "1m",
        input_series: inputOf({}),
        alert_rule_test: silent,
        promql_expr_test: [...rules.flatMap(({ record }) => record ?? []), ...shown].map(
          (expr) => ({
            // No comparison holds for NaN, which Grafana shows as no data.
            expr: `count((${expr}) > -Inf)`,
            eval_time: "400m",
            exp_samples: [{ labels: "{}", value: 1 }],
          }),
        ),
      },
      ...scenarios.map(({ name, alert, series, at, labels }) => ({
        name,
        interval: "1m",
        input_series: inputOf(series),
        alert_rule_test: [
          { eval_time: at, alertname: alert, exp_alerts: [expectedOf(alert, labels ?? {})] },
        ],
      })),
    ],
  };
}

function inputOf(changes: Scenario["series"]) {
  const all = new Map<string, string | null>([...healthy(), ...Object.entries(changes)]);
  return [...all].flatMap(([series, values]) => (values === null ? [] : [{ series, values }]));
}

function expectedOf(name: string, labels: Record<string, string>) {
  const rule = alerts.find(({ alert }) => alert === name);
  const filled = Object.entries(rule?.annotations ?? {}).map(([key, text]) => [
    key,
    text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? ""),
  ]);
  return {
    exp_labels: { ...rule?.labels, ...labels },
    exp_annotations: Object.fromEntries(filled) as Record<string, string>,
  };
}

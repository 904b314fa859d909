import { readFileSync } from "node:fs";
import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { knownNames } from "../../shared/dependencies/dependencies.ts";
import { metricOf, metrics, type Metric } from "../../shared/telemetry/rules/metrics.ts";

/** What Grafana and Prometheus expect of Luna, held to what Luna exports. */

type Rule = {
  alert?: string;
  record?: string;
  expr: string;
  annotations?: { summary: string; runbook: string };
};
const rules = (
  parse(readFileSync("docs/operate/alert-rules.yml", "utf8")) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));

type Panel = {
  title: string;
  type: string;
  targets?: { expr: string }[];
  gridPos: { x: number; y: number; w: number; h: number };
};
const dashboard = JSON.parse(readFileSync("docs/operate/grafana-dashboard.json", "utf8")) as {
  panels: Panel[];
  schemaVersion: number;
};

/** What Prometheus brings along. */
const OTHERS = new Set(["up"]);

/** What of an expression Luna does not have. */
function unknownIn(expr: string): string[] {
  const source = expr.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "6h");
  const wrong: string[] = [];
  const tree = parser.parse(source);
  const text = ({ from, to }: { from: number; to: number }): string => source.slice(from, to);
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) wrong.push(`syntax at ${node.from}`);
      if (node.name !== "VectorSelector") return;
      const name = /^[\w:]+/.exec(text(node))?.[0] ?? "";
      if (recorded.has(name) || OTHERS.has(name)) return;
      const metric = seriesMetric(name);
      if (metric === null) return void wrong.push(name);
      for (const matcher of text(node).matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g))
        wrong.push(...wrongMatcher(name, metric, matcher));
    },
  });
  for (const [, labels = ""] of source.matchAll(/\bby \(([^)]*)\)/g)) {
    const all = labels.split(",").map((label) => label.trim());
    wrong.push(
      ...all.filter(
        (label) =>
          label !== "le" && !Object.values(metrics).some((metric) => label in metric.labels),
      ),
    );
  }
  return wrong;
}

function seriesMetric(name: string): Metric | null {
  const histogram = metricOf(name.replace(/_(bucket|sum|count)$/, ""));
  return histogram?.kind === "histogram"
    ? name === name.replace(/_(bucket|sum|count)$/, "")
      ? null
      : histogram
    : metricOf(name);
}

function wrongMatcher(
  name: string,
  metric: Metric,
  [, label = "", operator, value = ""]: RegExpExecArray,
): string[] {
  if (label === "le" && metric.kind === "histogram") return [];
  const known = metric.labels[label];
  if (known === undefined) return [`${name} has no label ${label}`];
  if (typeof known === "string") return [];
  const values = operator === "=~" || operator === "!~" ? value.split("|") : [value];
  return values
    .filter((one) => !known.includes(one))
    .map((one) => `${name}{${label}} is never ${one}`);
}

it("an expression is wrong that names what is not there, a value that is never there, or is no PromQL", () => {
  expect(unknownIn("sum(rate(luna_http_requests_total[5m]))")).toEqual([]);
  expect(unknownIn("rate(luna_http_request_total[5m])")).toEqual(["luna_http_request_total"]);
  expect(unknownIn('luna_email_backlog{status="due"}')).toEqual([
    "luna_email_backlog has no label status",
  ]);
  expect(unknownIn('luna_email_backlog{state=~"due|lost"}')).toEqual([
    "luna_email_backlog{state} is never lost",
  ]);
  expect(unknownIn("rate(luna_email_queue_age_seconds[5m])")).toEqual([
    "luna_email_queue_age_seconds",
  ]);
  expect(unknownIn("sum by (tire) (luna_dead_letters)")).toEqual(["tire"]);
  expect(unknownIn("sum(luna_dead_letters")).not.toEqual([]);
});

describe("docs/operate/alert-rules.yml", () => {
  it.each(rules.map((rule) => [rule.alert ?? rule.record ?? "", rule.expr]))(
    "%s asks for what there is",
    (_, expr) => {
      expect(unknownIn(expr)).toEqual([]);
    },
  );

  it("states for each alert what is wrong, and where to look", () => {
    const alerts = rules.filter(({ alert }) => alert !== undefined);
    const silent = alerts.filter(
      ({ annotations }) =>
        annotations?.summary.endsWith(".") !== true || annotations.runbook === "",
    );
    expect(alerts.length).toBeGreaterThan(0);
    expect(silent).toEqual([]);
  });

  it("has a rule for each criterion of success", () => {
    const names = rules.flatMap(({ alert }) => alert ?? []);
    expect(names).toEqual(
      expect.arrayContaining([
        "LunaCacheUnavailable",
        "LunaTransactionsFail",
        "LunaCacheHitRateLow",
        "LunaTasksFail",
        "LunaDeliveryLow",
        "LunaErrors",
        "LunaUncaughtException",
      ]),
    );
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("docs/operate/grafana-dashboard.json", () => {
  const targets = dashboard.panels.flatMap(({ title, targets: own = [] }) =>
    own.map(({ expr }) => [title, expr] as const),
  );

  it.each(targets)("%s asks for what there is: %s", (_, expr) => {
    expect(unknownIn(expr)).toEqual([]);
  });

  it("shows every metric", () => {
    const all = targets.map(([, expr]) => expr).join("\n");
    // How many attempts an email took shows in the attempts by outcome, what was dropped in its
    // alert.
    const elsewhere = new Set([
      "luna_email_attempts",
      "luna_telemetry_dropped_total",
      "luna_tasks_watched",
      "luna_scrape_ok",
      // In the rule that separates Luna's breakers from others.
      "luna_circuit_breaker_announced_timestamp_seconds",
    ]);
    expect(
      Object.keys(metrics).filter((name) => !elsewhere.has(name) && !all.includes(name)),
    ).toEqual([]);
  });

  it("has no panel upon another, and none beyond the edge", () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...dashboard.panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(
      24,
    );
  });
});

const known: Record<string, readonly string[]> = knownNames;

/** The labels of a metric whose values are fixed, with these values. */
const fixedLabels = (labels: Metric["labels"]): [label: string, values: readonly string[]][] =>
  Object.entries(labels).flatMap(([label, own]): [string, readonly string[]][] => {
    const fixed = own === "names" ? known[label] : undefined;
    const values = typeof own === "string" ? fixed : own;
    return values === undefined ? [] : [[label, values]];
  });

it("docs/reference/metrics.md has a row for each metric, and one for each label with its values", () => {
  const page = readFileSync("docs/reference/metrics.md", "utf8")
    .replaceAll(/^(- `\w+`: .*,)\n {2}/gm, "$1 ")
    .split("\n");
  const all = Object.entries(metrics).map(([name, metric]): [string, Metric] => [name, metric]);
  expect(page.filter((line) => line.startsWith("| `luna_"))).toEqual(
    all.map(([name, { kind, help, labels }]) => {
      const shown = Object.keys(labels).map((label) => `\`${label}\``);
      return `| \`${name}\` | ${kind} | ${shown.join(", ")} | ${help} |`;
    }),
  );
  const values = new Set(
    all.flatMap(([, { labels }]) =>
      fixedLabels(labels).map(([label, own]) => `- \`${label}\`: ${own.join(", ")}`),
    ),
  );
  expect(page.filter((line) => /^- `[a-z]+`: /.test(line)).toSorted()).toEqual(
    [...values].toSorted(),
  );
});

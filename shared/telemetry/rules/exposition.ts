import { cacheSeriesIn } from "./cache-counts.ts";
import { metrics, type Metric, type MetricName } from "./metrics.ts";
import { parseSeries, type Series } from "./series.ts";

/**
 * Prometheus' text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure.
 */

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A value read at the scrape: a gauge, or a counter that isolates do not count. */
export type Sample = { name: MetricName; labels: Record<string, string>; value: number };

/** Label values that other parts define, by label. Their series are exposed from the start. */
export type KnownNames = Readonly<Record<string, readonly string[]>>;

/**
 * Series that are exposed from the start, of metrics for which not every combination of label
 * values occurs.
 */
export type KnownSeries = {
  readonly [Name in MetricName]?: readonly Readonly<Record<string, string>>[];
};

type Valued = Series & { value: number };

/**
 * @param totals the fleet's counters; null if they could not be read. They are left out then: a
 *   counter that drops to zero would look like a reset
 */
export function exposition(
  totals: Readonly<Record<string, number>> | null,
  samples: readonly Sample[],
  names: KnownNames = {},
  series: KnownSeries = {},
): string {
  const counted = totals === null ? null : Map.groupBy(seriesIn(totals), ({ name }) => name);
  const read = Map.groupBy(samples, ({ name }) => name);
  const lines: string[] = [];
  for (const [name, metric] of Object.entries(metrics) as [MetricName, Metric][]) {
    const isCounted =
      metric.kind === "histogram" || (metric.kind === "counter" && metric.from !== "scrape");
    const found = isCounted
      ? countedLines(name, metric, counted, series[name] ?? combinations(metric, names))
      : linesOf(read.get(name) ?? []);
    if (found.length > 0)
      lines.push(
        `# HELP ${name} ${escapedHelp(metric.help)}`,
        `# TYPE ${name} ${metric.kind}`,
        ...found,
      );
  }
  return `${lines.join("\n")}\n`;
}

function countedLines(
  name: MetricName,
  metric: Metric,
  counted: Map<string, Valued[]> | null,
  expected: readonly Readonly<Record<string, string>>[],
): string[] {
  if (counted === null) return [];
  if (metric.kind === "histogram") return histogramLines(name, metric, counted);
  const known = new Map(counted.get(name)?.map((each) => [keyOf(each.labels), each]));
  // Series without a count are exposed as zero: otherwise the first count would be no increase in
  // Prometheus.
  const all = expected.map((labels) => known.get(keyOf(labels)) ?? { name, labels, value: 0 });
  return linesOf([...new Set([...all, ...known.values()])]);
}

function histogramLines(
  name: MetricName,
  { bounds, per, labels }: Metric & { kind: "histogram" },
  counted: Map<string, Valued[]>,
): string[] {
  const buckets = Map.groupBy(counted.get(`${name}_bucket`) ?? [], (each) =>
    labelText(withoutBound(each.labels)),
  );
  const sums = new Map(
    counted.get(`${name}_sum`)?.map((each) => [labelText(each.labels), each.value]),
  );
  if (Object.keys(labels).length === 0 && buckets.size === 0) buckets.set("", []);
  return [...buckets].flatMap(([key, each]) => {
    const own = each[0] === undefined ? {} : withoutBound(each[0].labels);
    // Cumulative, by the bounds of this release. Counts of another release, under other bounds, go
    // to the next higher bound.
    const upTo = (bound: number): number =>
      each.reduce(
        (count, { labels: { le }, value }) => (boundOf(le) <= bound ? count + value : count),
        0,
      );
    const lines = [...bounds, Infinity].map((bound) =>
      line(
        `${name}_bucket`,
        { ...own, le: bound === Infinity ? "+Inf" : String(bound) },
        upTo(bound),
      ),
    );
    return [
      ...lines,
      line(`${name}_sum`, own, (sums.get(key) ?? 0) / per),
      line(`${name}_count`, own, upTo(Infinity)),
    ];
  });
}

/** The same for the same labels in any order. */
function keyOf(labels: Record<string, string>): string {
  return labelText(
    Object.fromEntries(Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1))),
  );
}

const boundOf = (le: string | undefined): number =>
  le === undefined || le === "+Inf" ? Infinity : Number(le);

function withoutBound(labels: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([label]) => label !== "le"));
}

/** Every combination of label values; none if the values of a label are not known here. */
function combinations({ labels }: Metric, names: KnownNames): Record<string, string>[] {
  let all: Record<string, string>[] = [{}];
  for (const [label, own] of Object.entries(labels)) {
    const values = typeof own === "string" ? names[label] : own;
    if (values === undefined) return [];
    all = all.flatMap((one) => values.map((value) => ({ ...one, [label]: value })));
  }
  return all;
}

function linesOf(samples: readonly Valued[]): string[] {
  return samples.map(({ name, labels, value }) => line(name, labels, value));
}

function line(name: string, labels: Record<string, string>, value: number): string {
  const text = labelText(labels);
  return `${name}${text === "" ? "" : `{${text}}`} ${value}`;
}

function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(
      ([label, value]) =>
        `${label}="${value.replace(/[\\"\n]/g, (found) => escaped[found] ?? found)}"`,
    )
    .join(",");
}

const escaped: Record<string, string> = { "\\": "\\\\", '"': '\\"', "\n": "\\n" };

function escapedHelp(help: string): string {
  return help.replace(/[\\\n]/g, (found) => escaped[found] ?? found);
}

function seriesIn(totals: Readonly<Record<string, number>>): Valued[] {
  const counted = Object.entries(totals).map(([series, value]) => ({
    ...parseSeries(series),
    value,
  }));
  return [...counted, ...cacheSeriesIn(totals)];
}

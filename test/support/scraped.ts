import parse, { type Family } from "parse-prometheus-text-format";

type Labels = Record<string, string>;
/** One series of a histogram. `buckets` are cumulative, by upper bound. */
type Histogram = { labels: Labels; buckets: Record<string, number>; sum: number; count: number };
export type Scrape = {
  /** By the name of the family; of a histogram its `_bucket`, `_sum` and `_count` each. */
  families: ReadonlyMap<string, Family>;
  histograms: ReadonlyMap<string, readonly Histogram[]>;
};

const TYPED = /^# TYPE (\S+) (counter|gauge|histogram)$/gm;

/**
 * A scrape as a parser reads it, held to what `promtool check metrics` asks for.
 *
 * @throws Error with all that is wrong
 */
export function scraped(text: string): Scrape {
  const wrong: string[] = [];
  const types = new Map([...text.matchAll(TYPED)].map(([, name = "", type = ""]) => [name, type]));
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const names = samples.map((line) => line.slice(0, line.lastIndexOf(" ")));
  for (const name of new Set(names))
    if (names.filter((one) => one === name).length > 1) wrong.push(`${name} is there twice`);
  for (const line of samples)
    if (!/^[a-z_\d]+(\{([a-z]+="[^"\\\n]*",?)+\})? (\d|[1-9])[\d.e+-]*$/.test(line))
      wrong.push(`what is ${line}?`);
  for (const [name, type] of types) {
    if (!new RegExp(`^# HELP ${name} .+$`, "m").test(text)) wrong.push(`${name} has no help`);
    if ((type === "counter") !== name.endsWith("_total")) wrong.push(`${name} is a ${type}`);
    if (/_(ms|milliseconds|minutes|kilobytes)(_|$)/.test(name))
      wrong.push(`${name} is in no base unit`);
  }
  // The parser reads a histogram without labels only: its parts are read as families of their own.
  const apart =
    parse(text.replace(/^# TYPE \S+ histogram\n/gm, "").replace(/^# HELP .*\n/gm, "")) ?? [];
  const families = new Map<string, Family>();
  // They alternate, and the parser begins a family again each time.
  for (const { name, metrics } of apart)
    families.set(name, { name, metrics: [...(families.get(name)?.metrics ?? []), ...metrics] });
  for (const name of families.keys())
    if (!types.has(name) && !types.has(withoutPart(name))) wrong.push(`${name} has no type`);
  const histograms = new Map<string, Histogram[]>();
  for (const [name, type] of types)
    if (type === "histogram") histograms.set(name, histogramsOf(name, families, wrong));
  if (!text.endsWith("\n")) wrong.push("the last line does not end");
  if (wrong.length > 0) throw new Error(`${wrong.join("\n")}\n\n${text}`);
  return { families, histograms };
}

const withoutPart = (name: string): string => name.replace(/_(bucket|sum|count)$/, "");
const boundOf = (le: string): number => (le === "+Inf" ? Infinity : Number(le));

function histogramsOf(
  name: string,
  families: ReadonlyMap<string, Family>,
  wrong: string[],
): Histogram[] {
  const all = new Map<string, Histogram>();
  for (const { labels = {}, value } of families.get(`${name}_bucket`)?.metrics ?? []) {
    const { le = "", ...own } = labels;
    const key = JSON.stringify(own);
    const of = (part: string): number => valueIn(families, `${name}_${part}`, own) ?? Number.NaN;
    const one = all.get(key) ?? { labels: own, buckets: {}, sum: of("sum"), count: of("count") };
    all.set(key, one);
    one.buckets[le] = Number(value);
  }
  for (const { labels, buckets, count, sum } of all.values()) {
    const described = `${name} of ${JSON.stringify(labels)}`;
    const counts = Object.entries(buckets).toSorted(
      ([one], [other]) => boundOf(one) - boundOf(other),
    );
    if (counts.some(([, value], n) => value < (counts[n - 1]?.[1] ?? 0)))
      wrong.push(`${described} is not cumulative`);
    if (buckets["+Inf"] !== count) wrong.push(`${described} has other counts in +Inf and in all`);
    if (Number.isNaN(sum)) wrong.push(`${described} has no sum`);
  }
  return [...all.values()];
}

/** The value of the first series with these labels, among others; null where there is none. */
export function valueOf({ families }: Scrape, name: string, labels: Labels = {}): number | null {
  return valueIn(families, name, labels);
}

function valueIn(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Labels,
): number | null {
  const found = families
    .get(name)
    ?.metrics.find((metric) =>
      Object.entries(labels).every(([label, value]) => metric.labels?.[label] === value),
    );
  return found?.value === undefined ? null : Number(found.value);
}

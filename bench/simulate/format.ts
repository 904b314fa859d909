/**
 * Numbers and tables for the page. The locale is fixed: the same run writes the same page anywhere.
 */
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

export function number(value: number): string {
  return Math.abs(value) < 10 && !Number.isInteger(value)
    ? fine.format(value)
    : whole.format(value);
}

export function seconds(ms: number): string {
  return `${number(ms / 1_000)} s`;
}

export function percent(share: number): string {
  return `${number(share * 100)} %`;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
}

/** @param share 0.5 for the median; of nothing 0 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).toSorted();
  return sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? 0;
}

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** The first columns are names, the others numbers. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  names = 2,
): string {
  const rule = head.map((_, column) => (column < names ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

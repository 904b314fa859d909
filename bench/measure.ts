const ROUNDS = 21;
const WARM_UP_ROUNDS = 3;
/** Long enough for a clock that counts in milliseconds, as it does inside workerd. */
const MIN_ROUND_MS = 20;

/**
 * Nanoseconds per call of each of several ways to do a thing: the median of many rounds. They take
 * turns, so that a machine that is busy for a while is so for all of them.
 */
export async function nsPerCall<Name extends string>(
  ways: Record<Name, () => Promise<unknown>>,
): Promise<Record<Name, number>> {
  const entries: { name: Name; call: () => Promise<unknown>; calls: number; results: number[] }[] =
    [];
  for (const [name, call] of Object.entries(ways) as [Name, () => Promise<unknown>][]) {
    let calls = 1_000;
    while ((await elapsedMs(call, calls)) < MIN_ROUND_MS) calls *= 2;
    entries.push({ name, call, calls, results: [] });
  }
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const { call, calls, results } of entries) {
      const ns = ((await elapsedMs(call, calls)) * 1e6) / calls;
      if (round >= 0) results.push(ns);
    }
  }
  const medians = entries.map(({ name, results }) => [name, median(results)]);
  return Object.fromEntries(medians) as Record<Name, number>;
}

async function elapsedMs(call: () => Promise<unknown>, calls: number): Promise<number> {
  const start = performance.now();
  for (let n = 0; n < calls; n += 1) await call();
  return performance.now() - start;
}

/** One way to do a thing, over its baseline that was measured beside it. */
export type Ratio = { what: string; way: string; measured: string; ratio: string };

/**
 * How several ways to do one thing compare to the one that is named `baseline`.
 *
 * @param unit of what was measured: "ns", "per second"
 */
export function ratios<Way extends string>(
  what: string,
  unit: string,
  baseline: NoInfer<Way>,
  measured: Record<Way, number>,
): Ratio[] {
  return (Object.entries(measured) as [Way, number][]).map(([way, value]) => ({
    what,
    way,
    measured: `${figures(value)} ${unit}`,
    ratio: `${figures(value / measured[baseline])}x`,
  }));
}

function figures(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value === 0 || value >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Rows as a table for people. `words`: how many columns, from the left, are no numbers. */
export function table(head: string[], rows: string[][], words = 1): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) =>
        column < words ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join(
    "\n",
  );
}

const ROUNDS = 31;
const WARM_UP_ROUNDS = 5;
const CALLS_PER_ROUND = 50_000;

/**
 * Nanoseconds per call of each of several ways to do a thing: the median of many rounds. They take turns, so that a machine that is
 * busy for a while is so for all of them.
 */
export async function nsPerCall<Name extends string>(ways: Record<Name, () => Promise<unknown>>): Promise<Record<Name, number>> {
  const entries = Object.entries(ways) as [Name, () => Promise<unknown>][];
  const results = new Map<Name, number[]>(entries.map(([name]) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const [name, call] of entries) {
      const start = process.hrtime.bigint();
      for (let n = 0; n < CALLS_PER_ROUND; n += 1) await call();
      if (round >= 0) results.get(name)?.push(Number(process.hrtime.bigint() - start) / CALLS_PER_ROUND);
    }
  }
  const medians = [...results].map(([name, all]) => [name, all.toSorted((a, b) => a - b)[ROUNDS >> 1]]);
  return Object.fromEntries(medians) as Record<Name, number>;
}

/** Rows as a table for people. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ");
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

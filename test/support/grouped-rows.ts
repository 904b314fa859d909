/**
 * One row for each case of a table. A row may hold for several cases: one of its cells lists them,
 * with ` · ` between them.
 */
export function ungrouped(page: string, isRow: RegExp, column: number): string[][] {
  return page
    .split("\n")
    .filter((line) => isRow.test(line))
    .flatMap((line) => {
      const cells = line.slice(2, -2).split(" | ");
      return (cells[column] ?? "").split(" · ").map((one) => cells.with(column, one.trim()));
    });
}

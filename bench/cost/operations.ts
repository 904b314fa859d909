/** What Cloudflare counts of one operation, and how docs/operate/cost.md writes that down. Pure. */

/**
 * In the order of the page's columns. A D1 read is a round trip that wrote no row, a D1 write one
 * that did.
 */
const columns = {
  requests: "Worker requests",
  d1Reads: "D1 reads",
  d1Writes: "D1 writes",
  d1RowsRead: "D1 rows read",
  d1RowsWritten: "D1 rows written",
  kvReads: "KV reads",
  kvWrites: "KV writes",
  kvDeletes: "KV deletes",
  objectRequests: "object requests",
  objectRowsRead: "object rows read",
  objectRowsWritten: "object rows written",
  queueOperations: "queue operations",
  logLines: "log lines",
} as const;

export type Column = keyof typeof columns;
export type Operations = Record<Column, number>;

const columnNames = Object.keys(columns) as Column[];

/** The rows of the page's table. */
const operations = [
  "read from memory",
  "read from KV",
  "read from D1",
  "user seen",
  "write with its purge",
  "email accepted",
  "queue batch of 1 delivered",
  "queue batch of 10 delivered",
  "queue batch of 100 delivered",
  "100 emails deleted",
  "minute of leases",
  "minute of syncs",
  "minute of reports",
  "two minutes of cron",
] as const;
export type PricedOperation = (typeof operations)[number];

export const nothing: Operations = Object.fromEntries(
  columnNames.map((column) => [column, 0]),
) as Operations;

export function sum(...all: Operations[]): Operations {
  return each((column) => all.reduce((total, one) => total + one[column], 0));
}

export function times(factor: number, one: Operations): Operations {
  return each((column) => one[column] * factor);
}

function each(value: (column: Column) => number): Operations {
  return Object.fromEntries(columnNames.map((column) => [column, value(column)])) as Operations;
}

/** A page before, within and after two markers. */
function around(page: string, name: string): [before: string, within: string, after: string] {
  const [from, to] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [start, end] = [page.indexOf(from), page.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`the page has no section ${name}`);
  return [
    page.slice(0, start + from.length),
    page.slice(start + from.length, end),
    page.slice(end),
  ];
}

/** The page with other lines in a section. */
export function withSection(page: string, name: string, lines: string): string {
  const [before, , after] = around(page, name);
  return before + lines + after;
}

/** The rows of a section's table by their first cell, without its head. */
function rowsOf(page: string, name: string): Map<string, string[]> {
  const [, within] = around(page, name);
  const lines = within.split("\n").filter((line) => line.startsWith("| "));
  return new Map(
    lines.slice(1).map((line) => {
      const [first = "", ...cells] = line.slice(2, -2).split(" | ");
      return [first, cells];
    }),
  );
}

/** The counts of the page. @throws Error if it lacks a row, or a cell is no number */
export function countsOn(page: string): Record<PricedOperation, Operations> {
  const rows = rowsOf(page, "counts");
  const counted = (name: PricedOperation): Operations => {
    const cells = rows.get(name) ?? [];
    if (cells.length !== columnNames.length) throw new Error(`the page has no counts of ${name}`);
    return Object.fromEntries(
      columnNames.map((column, n) => [column, numberIn(cells[n] ?? "")]),
    ) as Operations;
  };
  return Object.fromEntries(operations.map((name) => [name, counted(name)])) as Record<
    PricedOperation,
    Operations
  >;
}

/** One row of the page, as `countsOn` reads it. */
function rowFor(name: PricedOperation, counted: Operations): string {
  const counts = columnNames.map((column) =>
    counted[column] === 0 ? "–" : String(counted[column]),
  );
  return `| ${[name, ...counts].join(" | ")} |`;
}

/** The row of the page that a count is held to. */
export function rowOn(page: string, name: PricedOperation): string {
  return `| ${[name, ...(rowsOf(page, "counts").get(name) ?? [])].join(" | ")} |`;
}

const ROWS_READ: readonly Column[] = ["d1RowsRead", "objectRowsRead"];

/**
 * What was counted, as a row of the page. How many rows a query reads depends a little on what else
 * there is: the page's number stays where the count is within a quarter.
 */
export function rowHeldTo(page: string, name: PricedOperation, counted: Operations): string {
  const cells = rowsOf(page, "counts").get(name) ?? [];
  const about = ROWS_READ.map((column) => {
    const stated = Number(cells[columnNames.indexOf(column)]);
    return [
      column,
      Math.abs(counted[column] - stated) <= stated / 4 ? stated : counted[column],
    ] as const;
  });
  return rowFor(name, { ...counted, ...Object.fromEntries(about) });
}

function numberIn(cell: string): number {
  const number = cell === "–" ? 0 : Number(cell);
  if (cell === "" || !Number.isFinite(number)) throw new Error(`"${cell}" is no number`);
  return number;
}

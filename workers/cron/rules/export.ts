/** What a page of exported rows is called, and how large it may be. */

export type ExportKind =
  | "audit"
  | "email-contents"
  | "emails"
  | "task-history"
  | "usage-days"
  | "usage-months";

/** `day`: of its first row. `cursor`: names that row among those of its kind. */
export type ExportedPage<Row extends object> = {
  kind: ExportKind;
  day: string;
  cursor: string;
  rows: readonly Row[];
};

/**
 * The first row names the object: a run that repeats a page after a crash overwrites it.
 */
export const objectName = ({ kind, day, cursor }: ExportedPage<object>): string =>
  `${day}/${kind}/${encodeURIComponent(cursor)}.ndjson`;

/** An isolate has 128 MB, and a page is there several times: rows, text and bytes. */
const MAX_PAGE_BYTES = 8_000_000;

/** The first rows that fit into a page together: at least one. */
export function fitting<Row extends { bytes: number }>(rows: readonly Row[]): Row[] {
  let bytes = 0;
  const over = rows.findIndex((row, n) => {
    bytes += row.bytes;
    return n > 0 && bytes > MAX_PAGE_BYTES;
  });
  return over === -1 ? [...rows] : rows.slice(0, over);
}

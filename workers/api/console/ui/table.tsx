import type { ComponentChildren } from "preact";
import { Empty } from "./bits.tsx";

type Column<Row> = {
  head: string;
  cell: (row: Row) => ComponentChildren;
  kind?: "number" | "actions" | "wide";
};

/**
 * Rows with a caption for screen readers. A table that is too wide scrolls, also by keyboard. On a
 * small screen each row is a card; the roles keep it a table for screen readers.
 */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
  empty,
}: {
  caption: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string | number;
  empty: ComponentChildren;
}) {
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  return (
    <div class="scrolls" role="region" aria-label={caption} tabIndex={0}>
      <table role="table">
        <caption class="hidden">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ head, kind }) => (
              <th key={head} scope="col" role="columnheader" class={kind}>
                {kind === "actions" ? <span class="hidden">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={keyOf(row)} role="row">
              {columns.map(({ head, cell, kind }) => (
                <td key={head} role="cell" class={kind} data-head={head}>
                  <div>{cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

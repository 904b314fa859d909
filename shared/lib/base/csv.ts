/** CSV as RFC 4180 has it. Pure. */

/** A line of data: its number in the file, from 1 on, and its cells. */
export type CsvRecord = { line: number; cells: string[] };

export type ParsedCsv =
  | { tag: "records"; records: CsvRecord[] }
  | { tag: "wrong"; line: number; message: string };

/**
 * A cell that a spreadsheet would take for a formula. Quotes before it are those that `escaped`
 * adds.
 */
const looksLikeFormula = /^'*[=+\-@\t\r]/;

/** A cell that no spreadsheet takes for a formula: `unescaped` gives it back. */
const escaped = (cell: string): string => (looksLikeFormula.test(cell) ? `'${cell}` : cell);

const unescaped = (cell: string): string =>
  cell.startsWith("'") && looksLikeFormula.test(cell) ? cell.slice(1) : cell;

const quoted = (cell: string): string =>
  /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;

/** One line with its end. */
export const csvLine = (cells: readonly string[]): string =>
  `${cells.map((cell) => quoted(escaped(cell))).join(",")}\r\n`;

/** A cell at the place where the search stands: quoted, or up to the next separator. */
const cell = /"([^"]*(?:""[^"]*)*)"|([^",\r\n]*)/y;
const separator = /,|\r\n|\n|\r/y;

/**
 * Reads what `csvLine` and spreadsheets write: LF, CRLF or CR ends a line, and the first one may
 * begin with a byte order mark. Empty lines are left out.
 *
 * @param maxRecords the file is refused if it has more
 */
export function parseCsv(text: string, maxRecords: number): ParsedCsv {
  const records: CsvRecord[] = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  let line = 1;
  let current: CsvRecord = { line, cells: [] };
  while (at < text.length || current.cells.length > 0) {
    cell.lastIndex = at;
    const found = cell.exec(text);
    const whole = found?.[0] ?? "";
    current.cells.push(unescaped(found?.[1]?.replaceAll('""', '"') ?? found?.[2] ?? ""));
    line += whole.match(/\r\n|\n|\r/g)?.length ?? 0;
    at += whole.length;
    separator.lastIndex = at;
    const end = separator.exec(text)?.[0];
    if (end === undefined && at < text.length)
      return {
        tag: "wrong",
        line,
        message: 'has a " in the middle of a cell, or one without its pair',
      };
    at += end?.length ?? 0;
    if (end === ",") continue;
    if (current.cells.length > 1 || current.cells[0] !== "") records.push(current);
    if (records.length > maxRecords)
      return { tag: "wrong", line, message: `must be one of at most ${maxRecords}` };
    line += 1;
    current = { line, cells: [] };
  }
  return { tag: "records", records };
}

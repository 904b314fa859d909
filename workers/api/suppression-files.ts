import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import {
  cellsOf,
  csvColumns,
  MAX_IMPORTED,
  suppressionOfLine,
  type Suppression,
} from "../../shared/email/rules/suppressions.ts";
import { findSuppressions, type IndexedFilter } from "../../shared/email/sql/suppression-lists.ts";
import { insertSuppressions, type StoredSuppression } from "../../shared/email/sql/suppressions.ts";
import { readText } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom, type Cursor } from "../../shared/http/lists.ts";
import { csvLine, parseCsv, type CsvRecord } from "../../shared/lib/base/csv.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { json, type Handler } from "./call.ts";
import { lengthOf } from "./upload-length.ts";

/** Lists of suppressions as CSV. */

const EXPORT_PAGE = 1_000;

/** All that the filter has: one page of it at a time is in memory. */
export const exportSuppressions: Handler<"exportSuppressions"> = async ({ query, env }) => {
  const first = await readPage(env, query, null);
  // What fails from here on can only break the connection off.
  if (!first.ok) return first;
  const encoder = new TextEncoder();
  let next: ExportPage | null = first.value;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(csvLine(csvColumns))),
    pull: async (controller) => {
      if (next === null) return controller.close();
      const { rows, cursor } = next;
      if (rows.length > 0)
        controller.enqueue(encoder.encode(rows.map((one) => csvLine(cellsOf(one))).join("")));
      if (cursor === null) return controller.close();
      const read = await readPage(env, query, cursor);
      if (!read.ok) return controller.error(new Error(`the export failed: ${read.error.tag}`));
      next = read.value;
    },
  });
  return ok(
    new Response(body, {
      headers: {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="suppressions.csv"',
        "Cache-Control": "no-store",
      },
    }),
  );
};

/** `cursor`: null at the end. */
type ExportPage = { rows: StoredSuppression[]; cursor: Cursor | null };

async function readPage(
  env: ApiEnv,
  filter: IndexedFilter,
  after: Cursor | null,
): Promise<Result<ExportPage, Failure>> {
  const found = await readDatabase(env, () =>
    findSuppressions(env.DB, filter, after, EXPORT_PAGE + 1),
  );
  if (!found.ok) return found;
  const { rows } = pageFrom(found.value, EXPORT_PAGE, (one) => one.createdAt);
  const last = rows.at(-1);
  const hasMore = found.value.length > rows.length && last !== undefined;
  return ok({ rows, cursor: hasMore ? { at: last.createdAt, id: last.id } : null });
}

/** How many lines are written together. */
const IMPORT_PAGE = 500;
const MAX_ERRORS = 100;

/** The file is read whole before anything is written. Its lines are written in pages. */
export const importSuppressions: Handler<"importSuppressions"> = async ({
  operation,
  request,
  env,
  now,
}) => {
  const { maxBytes } = operation.upload;
  const length = lengthOf(request, maxBytes);
  if (!length.ok) return length;
  const text = await readText(request, { limitBytes: maxBytes });
  if (!text.ok) return text;
  const records = recordsOf(text.value);
  if (!records.ok) return records;
  const { good, errors, refused } = checked(records.value, now);
  let [added, alreadySuppressed] = [0, 0];
  let unfinishedFrom: number | undefined;
  for (let from = 0; from < good.length; from += IMPORT_PAGE) {
    const page = good.slice(from, from + IMPORT_PAGE);
    const write = () =>
      insertSuppressions(
        env.DB,
        page.map(({ suppression }) => suppression),
      );
    // Writing it twice has the effect of writing it once.
    const written = await writeDatabase(write, write);
    if (!written.ok && from === 0) return written;
    if (!written.ok) {
      unfinishedFrom = page[0]?.line;
      break;
    }
    added += written.value;
    alreadySuppressed += page.length - written.value;
  }
  const unfinished = unfinishedFrom === undefined ? {} : { unfinishedFrom };
  return json({ added, alreadySuppressed, refused, errors, ...unfinished });
};

const wrongFile = (path: string, message: string) =>
  fail({ tag: "invalid" as const, errors: [{ path, message }] });

/** A line with its cells by the columns that the first line names. */
type Line = { line: number; record: Record<string, string> | null };

function recordsOf(text: string): Result<Line[], Failure> {
  if (text.includes("\ufffd")) return wrongFile("body", "must be UTF-8");
  // The first line names the columns.
  const parsed = parseCsv(text, MAX_IMPORTED + 1);
  if (parsed.tag === "wrong") return wrongFile(`line ${parsed.line}`, parsed.message);
  const [head, ...rows] = parsed.records;
  if (head === undefined) return wrongFile("body", "must be CSV with the names of its columns");
  const columns = head.cells.map((name) => name.trim());
  const known: readonly string[] = csvColumns;
  const wrong = columns.find((name, n) => !known.includes(name) || columns.indexOf(name) !== n);
  if (wrong !== undefined)
    return wrongFile(
      `line ${head.line}`,
      `must name each column once, of ${csvColumns.join(", ")}: not "${wrong.slice(0, 50)}"`,
    );
  if (!columns.includes("address")) return wrongFile(`line ${head.line}`, "must name address");
  return ok(rows.map((row) => lineOf(row, columns)));
}

const lineOf = ({ line, cells }: CsvRecord, columns: readonly string[]): Line => ({
  line,
  record:
    cells.length === columns.length
      ? Object.fromEntries(columns.map((name, n) => [name, (cells[n] ?? "").trim()]))
      : null,
});

type Checked = {
  good: { line: number; suppression: Suppression }[];
  refused: number;
  errors: { line: number; path: string; message: string }[];
};

/** What can be written, and what is wrong with the other lines. */
function checked(lines: readonly Line[], now: number): Checked {
  const good: Checked["good"] = [];
  const errors: Checked["errors"] = [];
  for (const { line, record } of lines) {
    const read =
      record === null
        ? { tag: "wrong" as const, path: "line", message: "must have a cell for each column" }
        : suppressionOfLine(record, now);
    if (read.tag === "suppression") good.push({ line, suppression: read.suppression });
    else errors.push({ line, path: read.path, message: read.message });
  }
  return { good, refused: errors.length, errors: errors.slice(0, MAX_ERRORS) };
}

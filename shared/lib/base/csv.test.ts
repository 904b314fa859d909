import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { csvLine, parseCsv } from "./csv.ts";

const cellsIn = (text: string): string[][] => {
  const parsed = parseCsv(text, 1_000);
  if (parsed.tag === "wrong") throw new Error(parsed.message);
  return parsed.records.map(({ cells }) => cells);
};

const cell = fc.oneof(
  fc.string({
    unit: fc.constantFrom("a", "'", '"', ",", "\r", "\n", "=", "+", "-", "@", "\t", " "),
  }),
  fc.string(),
);
/** One empty cell is an empty line, which is left out. */
const row = fc
  .array(cell, { minLength: 1, maxLength: 5 })
  .filter((cells) => cells.length > 1 || cells[0] !== "");

describe("CSV", () => {
  it("is read as it was written, with and without a byte order mark", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
        const text = rows.map(csvLine).join("");
        expect(cellsIn(text)).toEqual(rows);
        expect(cellsIn(`\ufeff${text}`)).toEqual(rows);
      }),
    );
  });

  it("has no cell that a spreadsheet takes for a formula", () => {
    fc.assert(
      fc.property(row, (cells) => {
        const shown = cells.map((one) => csvLine([one]).replace(/^"|"?\r\n$/g, ""));
        expect(shown.filter((one) => /^[=+\-@\t\r]/.test(one))).toEqual([]);
      }),
    );
    expect(csvLine(['=HYPERLINK("x")', "+a@b.cc"])).toBe(`"'=HYPERLINK(""x"")",'+a@b.cc\r\n`);
  });

  it.each([
    ["ends of lines of each kind, and none", "a,b\r\nc,d\ne,f\rg,h", 4],
    ["empty lines", "\r\na,b\r\n\r\nc,d\r\n\r\n", 2],
    ["quotes and a line break in a cell", '"a ""b"", c\r\nd",e\r\n', 1],
    ["nothing", "", 0],
  ])("may have %s", (_, text, lines) => {
    expect(cellsIn(text)).toHaveLength(lines);
  });

  it("numbers its lines as an editor does", () => {
    const parsed = parseCsv('a\n"b\nc"\n\nd\n', 10);
    expect(parsed).toMatchObject({ records: [{ line: 1 }, { line: 2 }, { line: 5 }] });
  });

  it.each([
    ["a quote without its pair", 'a,b\n"c,d\n', 2],
    ["a quote inside a cell", 'a,b\nc"d,e\n', 2],
    ["text after a quoted cell", 'a,b\n"c"d,e\n', 2],
    ["more lines than it may", "a\nb\nc\nd\n", 4],
  ])("with %s is wrong in that line", (_, text, line) => {
    expect(parseCsv(text, 3)).toMatchObject({ tag: "wrong", line });
  });

  it("of a megabyte of quotes is read in one pass", () => {
    expect(cellsIn(`"${'""'.repeat(500_000)}"`)).toEqual([['"'.repeat(500_000)]]);
    expect(parseCsv(`"${'""'.repeat(500_000)}`, 1)).toMatchObject({ tag: "wrong" });
  });
});

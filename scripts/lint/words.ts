import { globSync, readFileSync } from "node:fs";

/**
 * `node scripts/lint/words.ts`: the words of docs/ that people write and read as prose: without
 * code, and without the pages, rows and sections that a script writes or a test compares.
 */

const WRITTEN_BY_SCRIPT = new Set(["docs/reference/api.md", "docs/reference/errors.md"]);
/** Rows that are data: a test compares each with the code, or with what the product does. */
const ROWS_OF_DATA: Record<string, RegExp> = {
  "docs/reference/access.md": /^\| (GET|POST|PUT|PATCH|DELETE) /,
  "docs/reference/configuration.md": /^\| `(?:[A-Z]|[a-z-]+` )/,
  "docs/reference/metrics.md": /^(\| `luna_|- `[a-z]+`: )/,
  "docs/explain/cache-failures.md": /^\| /,
  "docs/explain/crash-points.md": /^\| /,
  "docs/explain/email-failures.md": /^\| /,
};
/** The same of the last cell of a row: the names of the tests of a promise. */
const LAST_CELL_OF_DATA: Record<string, RegExp> = {
  "docs/guarantees.md": /^(\| .* \|) \[[a-z\d-]+\](?:, \[[a-z\d-]+\])* \|$/,
};

/** The prose of a page. Pure. */
export function proseOf(page: string, text: string): string {
  if (WRITTEN_BY_SCRIPT.has(page)) return "";
  const rows = ROWS_OF_DATA[page];
  const cell = LAST_CELL_OF_DATA[page];
  return text
    .replace(/<!-- ([\w-]+) -->[^]*?<!-- \/\1 -->/g, "")
    .replace(/^ *```[^]*?^ *```$/gm, "")
    .split("\n")
    .filter((line) => rows?.test(line) !== true && !/^\[[^\]]+\]: /.test(line))
    .map((line) => (cell === undefined ? line : line.replace(cell, "$1")))
    .join("\n");
}

export const wordsIn = (text: string): number =>
  text.split(/\s+/).filter((word) => /\w/.test(word)).length;

/** The pages of docs/ with their words. */
export const wordCounts = (): [page: string, words: number][] =>
  globSync("docs/**/*.md").map((page) => [
    page,
    wordsIn(proseOf(page, readFileSync(page, "utf8"))),
  ]);

if (import.meta.main) {
  const counts = wordCounts();
  for (const [page, words] of counts)
    process.stdout.write(`${String(words).padStart(6)} ${page}\n`);
  process.stdout.write(`${counts.reduce((sum, [, words]) => sum + words, 0)} in all\n`);
}

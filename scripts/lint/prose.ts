import { globSync, readFileSync } from "node:fs";
import { TextlintKernel, type TextlintKernelOptions } from "@textlint/kernel";
import markdown from "@textlint/textlint-plugin-markdown";
import terminology from "textlint-rule-terminology";
import { terms, wrongWords } from "./terms.ts";

/**
 * `node scripts/lint/prose.ts`: the words, the line lengths and the table cells of the Markdown
 * pages, and the words of `.dev.vars.example`. Strings and comments of code: `structure/prose`.
 */

const PAGES = ["README.md", "CONTRIBUTING.md", "test/mission/README.md", "docs/**/*.md"];
/** Pages that a script writes: their text comes from strings of the code. */
const WRITTEN = new Set(["docs/reference/api.md", "docs/reference/errors.md"]);
/** It names the words that it replaces. */
const GLOSSARY = "docs/glossary.md";
const MAX_COLUMNS = 100;
const MAX_CELL = 120;

type Place = { line: number; message: string };

/** Lines of prose that could be wrapped, and cells that hold a paragraph. Pure. */
export function shapeOf(text: string): Place[] {
  let isCode = false;
  return text.split("\n").flatMap((line, index) => {
    if (/^\s*```/.test(line)) isCode = !isCode;
    if (isCode || /^(\s*```|#|\[[^\]]+\]: )/.test(line)) return [];
    const found = line.startsWith("|") ? longCell(line) : longLine(line);
    return found === null ? [] : [{ line: index + 1, message: found }];
  });
}

/** The target of a link is not read. */
const shown = (cell: string): string => cell.replace(/\]\([^)]*\)/g, "]").trim();

function longCell(row: string): string | null {
  const cell = row.split(/(?<!\\)\|/).find((one) => shown(one).length > MAX_CELL);
  return cell === undefined
    ? null
    : `a cell has ${shown(cell).length} characters, more than ${MAX_CELL}`;
}

const longLine = (line: string): string | null =>
  line.length > MAX_COLUMNS && /^\s*\S+\s+\S/.test(line.slice(0, MAX_COLUMNS))
    ? `the line has ${line.length} columns, more than ${MAX_COLUMNS}`
    : null;

/** Node gives the whole module of a CommonJS package that was written as an ES module. */
const unwrapped = <Module extends object>(module: Module): Module =>
  "default" in module ? (module.default as Module) : module;

const options: Omit<TextlintKernelOptions, "filePath" | "ext"> = {
  plugins: [{ pluginId: "markdown", plugin: unwrapped(markdown), options: {} }],
  rules: [
    {
      ruleId: "terminology",
      rule: terminology,
      options: { defaultTerms: false, skip: [], terms: terms.map((term) => [...term]) },
    },
  ],
};

async function wordsOf(page: string, text: string): Promise<Place[]> {
  const { messages } = await new TextlintKernel().lintText(text, {
    ...options,
    filePath: page,
    ext: ".md",
  });
  // MAIL is a command of SMTP.
  return messages
    .filter(({ message }) => !message.includes("“MAIL”"))
    .map(({ line, message }) => ({ line, message }));
}

async function problemsOf(page: string): Promise<string[]> {
  const text = readFileSync(page, "utf8");
  const words = page === GLOSSARY ? [] : await wordsOf(page, text);
  const found = [...words, ...shapeOf(text)];
  return found.map(({ line, message }) => `${page}:${line}: ${message}`);
}

function exampleProblems(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line, index) =>
      wrongWords(line).map((message) => `${file}:${index + 1}: ${message}`),
    );
}

if (import.meta.main) {
  const pages = globSync(PAGES).filter((page) => !WRITTEN.has(page));
  const problems = [
    ...(await Promise.all(pages.map(problemsOf))).flat(),
    ...exampleProblems(".dev.vars.example"),
  ];
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

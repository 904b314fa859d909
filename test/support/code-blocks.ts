import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";

/** The code blocks of the pages that a newcomer follows, as tests check and run them. */

const GUIDES = ["README.md", "docs/quickstart.md", ...globSync("docs/guides/*.md").toSorted()];

/**
 * `language`: the first word after the fence. `file`: the second one, the file that the reader
 * writes the block into.
 */
export type CodeBlock = { page: string; language: string; file: string | null; text: string };

/** The name of a page without folder and ending. */
export const nameOf = (page: string): string => basename(page, ".md");

export const codeBlocks: readonly CodeBlock[] = GUIDES.flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/^ *```(\w+)(?: (\S+))?\n([^]*?)^ *```$/gm)].map(
    ([, language = "", file, text = ""]) => ({ page, language, file: file ?? null, text }),
  ),
);

/** The files of a page, by name. */
export function filesOn(name: string): Map<string, string> {
  return new Map(
    codeBlocks.flatMap(({ page, file, text }) =>
      nameOf(page) === name && file !== null ? [[file, text] as const] : [],
    ),
  );
}

/** The commands of a shell block: continued lines are joined, comments left out. */
export function commandsIn(text: string): string[] {
  return text
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

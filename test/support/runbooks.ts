import { readdirSync, readFileSync } from "node:fs";
import { operationOf } from "./conformance.ts";

/** The pages of `docs/operate/runbooks`, as tests read and walk them. */

export const FOLDER = "docs/operate/runbooks";

/** What every runbook has, in this order. */
const HEADINGS = {
  notice: "Signs",
  look: "Look",
  press: "Act",
  over: "Done when",
} as const;
export type Part = keyof typeof HEADINGS;

/**
 * A request to the API that a page contains. `<words>` in its path and body are the reader's
 * to fill in.
 */
export type Step = { part: Part; method: string; path: string; body: string | null };

export type Runbook = {
  name: string;
  text: string;
  parts: Record<Part, string>;
  /** The lines of its shell blocks, continued ones joined. */
  shell: { part: Part; line: string }[];
  steps: Step[];
};

export const runbooks: readonly Runbook[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".md"))
  .map((file) => parse(file.slice(0, -".md".length), readFileSync(`${FOLDER}/${file}`, "utf8")));

function parse(name: string, text: string): Runbook {
  const sections = text.split(/^## /m).slice(1);
  const bodies = new Map(
    sections.map((section) => [section.split("\n")[0] ?? "", section.slice(section.indexOf("\n"))]),
  );
  const kinds = Object.keys(HEADINGS) as Part[];
  const parts = Object.fromEntries(
    kinds.map((part) => [part, bodies.get(HEADINGS[part])?.trim() ?? ""]),
  ) as Record<Part, string>;
  const shell = kinds.flatMap((part) => linesOf(parts[part]).map((line) => ({ part, line })));
  return {
    name,
    text,
    parts,
    shell,
    steps: shell.flatMap(({ part, line }) => stepOf(part, line) ?? []),
  };
}

function linesOf(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/```sh\n(.*?)```/gs)].map(([, block = ""]) => block);
  return blocks.flatMap((block) =>
    block
      .replace(/\\\n\s*/g, "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== ""),
  );
}

function stepOf(part: Part, line: string): Step | null {
  if (!line.startsWith("curl ")) return null;
  const path = /\$LUNA(\/[^\s"']*)/.exec(line)?.[1];
  if (path === undefined) throw new Error(`asks for nothing of $LUNA: ${line}`);
  const body = / -d '([^']*)'/.exec(line)?.[1] ?? null;
  const method = / -X ([A-Z]+)/.exec(line)?.[1] ?? (body === null ? "GET" : "POST");
  return { part, method, path, body };
}

/** `filled`: what stands for each `<word>`. `nth`: of several such requests in that part. */
export type Which = { filled?: Record<string, string>; nth?: number };

/** A request of a page, ready to be made. */
export function step(
  name: string,
  part: Part,
  operationId: string,
  { filled = {}, nth = 0 }: Which = {},
) {
  const requests =
    runbooks
      .find((runbook) => runbook.name === name)
      ?.steps.filter((candidate) => candidate.part === part) ?? [];
  const found = requests.filter(
    ({ method, path }) => operationOf(method, path)?.id === operationId,
  )[nth];
  if (found === undefined)
    throw new Error(`${name} has no request of ${operationId} under "${HEADINGS[part]}"`);
  return fill(found, filled);
}

/** Every request of a part of a page, ready to be made. */
export function steps(name: string, part: Part, filled: Record<string, string> = {}) {
  const requests = runbooks.find((runbook) => runbook.name === name)?.steps ?? [];
  return requests
    .filter((candidate) => candidate.part === part)
    .map((found) => fill(found, filled));
}

function fill({ method, path, body }: Step, filled: Record<string, string>) {
  const complete = (text: string): string =>
    text.replace(/<(\w+)>/g, (placeholder, word: string) => filled[word] ?? placeholder);
  return {
    method,
    path: complete(path),
    body: body === null ? undefined : (JSON.parse(complete(body)) as unknown),
  };
}

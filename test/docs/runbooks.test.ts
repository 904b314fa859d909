import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { getHealth } from "../../shared/contract/system.ts";
import { isDependency } from "../../shared/dependencies/dependencies.ts";
import { metricOf } from "../../shared/telemetry/rules/metrics.ts";
import { operationOf } from "../support/conformance.ts";
import { FOLDER, runbooks, type Runbook } from "../support/runbooks.ts";
import { validatedVariables } from "../support/variables.ts";
import { walks } from "./runbook-walks.ts";

const CONSOLE_PAGES = new Set([
  "Overview",
  "Circuit breakers",
  "Cache",
  "Email",
  "Dead letters",
  "Suppressions",
  "Tasks",
  "Jobs",
  "Alerts",
  "Audit",
]);
const index = readFileSync("docs/operate/operations.md", "utf8");
const pages = [
  ...runbooks.map(({ name, text }) => ({ name: `${FOLDER}/${name}.md`, text })),
  { name: "docs/operate/operations.md", text: index },
];

const read = (folder: string): string =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file) && !file.includes(".test."))
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .join("\n");
const sources = read("shared") + read("workers");
const consoleText = read("workers/api/console");
const settings = [...validatedVariables, readFileSync("workers/env.ts", "utf8")].join("\n");
type Rule = { alert?: string; annotations?: { runbook: string } };
const { groups } = parse(readFileSync("docs/operate/alert-rules.yml", "utf8")) as {
  groups: { rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules).filter(({ alert }) => alert !== undefined);
const scripts = (
  JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> }
).scripts;
const quoted = (text: string): string[] =>
  [...text.matchAll(/`([^`\n]+)`/g)].map(([, name = ""]) => name);

it("no page is walked through that there is not", () => {
  const names = new Set(runbooks.map(({ name }) => name));
  expect(Object.keys(walks).filter((name) => !names.has(name))).toEqual([]);
});

describe.each(runbooks)("$name", (runbook) => {
  it("is in the index", () => {
    expect(index).toContain(`](runbooks/${runbook.name}.md)`);
  });

  it("asks for what the API has, with bodies and names that it takes", () => {
    expect(runbook.steps.length).toBeGreaterThan(0);
    expect(runbook.steps.flatMap(wrongWith)).toEqual([]);
  });

  it("is walked through by tests that there are, and by chapters of the demo", () => {
    const { tests = [], demo = [] } = walks[runbook.name] ?? {};
    expect(tests.length).toBeGreaterThan(0);
    expect(tests.flatMap(([file, title]) => missingTest(file, title))).toEqual([]);
    expect(demo.filter((name) => !existsSync(`scripts/demo/chapters/${name}.ts`))).toEqual([]);
  });
});

function wrongWith({ method, path, body }: Runbook["steps"][number]): string[] {
  const operation = operationOf(method, path);
  if (operation === null) return [`there is no ${method} ${path}`];
  const breaker = /^\/api\/admin\/circuit-breakers\/([^/]+)\//.exec(path)?.[1] ?? "<name>";
  const task = /^\/api\/admin\/scheduled-tasks\/([^/]+)\/run$/.exec(path)?.[1] ?? "<task>";
  const wrong: string[] = [];
  if (!breaker.startsWith("<") && !isDependency(breaker))
    wrong.push(`there is no breaker ${breaker}`);
  if (!task.startsWith("<") && !existsSync(`workers/cron/tasks/${task}.ts`))
    wrong.push(`there is no task ${task}`);
  const query = Object.fromEntries(new URLSearchParams(path.split("?")[1] ?? ""));
  if (operation.query !== undefined) wrong.push(...refusals(operation.query, query, path));
  else if (Object.keys(query).length > 0) wrong.push(`${path} takes no query`);
  if (body !== null && operation.body === undefined) wrong.push(`${path} takes no body`);
  if (operation.body !== undefined)
    wrong.push(...refusals(operation.body, JSON.parse(filled(body ?? "{}")), `${method} ${path}`));
  return wrong;
}

/** With something in the place of each `<word>` that a schema takes there. */
function filled(body: string): string {
  const examples: Record<string, string> = {
    time: new Date(Date.now() + 3_600_000).toISOString(),
    address: "ada@example.com",
    scope: "all",
    status: "sent",
  };
  return body.replace(/<(\w+)>/g, (_, word: string) => examples[word] ?? word);
}

function refusals(schema: v.GenericSchema, value: unknown, what: string): string[] {
  const parsed = v.safeParse(schema, value);
  return parsed.success
    ? []
    : parsed.issues.map((issue) => `${what}: ${v.getDotPath(issue) ?? "body"} ${issue.message}`);
}

function missingTest(file: string, title: string): string[] {
  if (!existsSync(file)) return [`there is no ${file}`];
  const begins = [`"${title}`, `\`${title}`].some((start) =>
    readFileSync(file, "utf8").replace(/\(\s+/g, "(").includes(`(${start}`),
  );
  return begins ? [] : [`${file} has no test that begins with "${title}"`];
}

describe.each(pages)("$name names", ({ name, text }) => {
  const inline = quoted(text.replace(/```.*?```/gs, ""));

  it("pages of the console that there are", () => {
    const named = [...text.matchAll(/Console → ([A-Z]\w*(?: breakers| letters)?)/g)].map(
      ([, page = ""]) => page,
    );
    expect(named.filter((page) => !CONSOLE_PAGES.has(page) || !consoleText.includes(page))).toEqual(
      [],
    );
  });

  it("variables that there are", () => {
    const named = inline.filter((word) => /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(word));
    expect(named.filter((variable) => !new RegExp(`\\b${variable}\\b`).test(settings))).toEqual([]);
  });

  it("log lines that there are", () => {
    const named = [...text.matchAll(/\blog ((?:`[^`]+`(?: or |, )?)+)/gi)].flatMap(
      ([, list = ""]) => quoted(list),
    );
    expect(named.filter((event) => !sources.includes(`"${event}"`))).toEqual([]);
  });

  it("alerts that there are", () => {
    const named = [...text.matchAll(/\balert ((?:`[^`]+`(?:,? or |, )?)+)/gi)].flatMap(
      ([, list = ""]) => quoted(list),
    );
    const keys = named.map((key) =>
      key.split(":")[0] === "email" || key.split(":")[0] === "channel"
        ? key
        : (key.split(":")[0] ?? ""),
    );
    expect(keys.filter((key) => !new RegExp(`["\`]${key}["\`:]`).test(sources))).toEqual([]);
  });

  it("parts of /health that there are", () => {
    const named = inline.filter((word) => word.startsWith("checks."));
    expect(named.filter((field) => !isIn(getHealth.answers[200], field.split(".")))).toEqual([]);
  });

  it("metrics and alert rules that there are", () => {
    const named = [...text.matchAll(/\b(luna_[a-z_]+|Luna[A-Z]\w+)/g)].map(([word]) => word);
    expect(
      named.filter((word) => metricOf(word) === null && !rules.some(({ alert }) => alert === word)),
    ).toEqual([]);
  });

  it("operations that there are", () => {
    const named = inline.filter((word) => /^(GET|POST|PUT|PATCH|DELETE) \//.test(word));
    const unknown = named.filter(
      (word) => operationOf(...(word.split(" ") as [string, string])) === null,
    );
    expect(unknown).toEqual([]);
  });

  it("commands of npm that there are", () => {
    const named = [...text.matchAll(/npm (?:run )?(test|start|(?<=run )[\w:]+)/g)].map(
      ([, script = ""]) => script,
    );
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });

  it("files that there are", () => {
    const named = [
      ...text.matchAll(/(?<![\w./-])(?:docs|workers|shared|scripts)\/[\w./-]*\w\/?/g),
    ].map(([file]) => file);
    expect(
      named.filter((file) => !existsSync(file) && !existsSync(join(dirname(name), file))),
    ).toEqual([]);
  });
});

function isIn(schema: unknown, path: string[]): boolean {
  const [first, ...rest] = path;
  if (first === undefined) return true;
  const { entries } = schema as { entries?: Record<string, unknown> };
  return entries !== undefined && first in entries && isIn(entries[first], rest);
}

it.each(rules)("the rule $alert names its page, which names it", ({ alert = "", annotations }) => {
  const page = pages.find(({ name }) => name === annotations?.runbook);
  expect(page?.text).toContain(`\`${alert}\``);
});

import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { operationOf } from "../support/conformance.ts";
import { SqliteD1 } from "../support/sqlite.ts";

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...["docs/**", "bench", ".claude/commands"].flatMap((folder) => globSync(`${folder}/*.md`)),
];

const folders = "shared,workers,migrations,scripts,environments,examples,test,bench,docs";
const files: readonly string[] = ["*", ".*", `{${folders}}/**/*`].flatMap((pattern) =>
  globSync(pattern, { exclude: ["**/node_modules"] }),
);
const isFile = (name: string): boolean => files.some((file) => `/${file}`.endsWith(`/${name}`));

describe.each(pages)("%s", (page) => {
  const text = readFileSync(page, "utf8");

  it("links to files that there are", () => {
    const links = [
      ...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g),
      ...text.matchAll(/^\[[^\]]+\]: (?!https?:)(\S+)$/gm),
    ].map(([, link]) => link ?? "");
    expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([]);
  });

  it("names files that there are", () => {
    const named = [...text.matchAll(/`(?:\.\/)?([\w./-]+\.(?:ts|tsx|toml|yml))`/g)];
    expect(named.flatMap(([, name = ""]) => (isFile(name) ? [] : [name]))).toEqual([]);
  });

  it("names operations that there are", () => {
    const named = [
      ...text.matchAll(
        /(GET|POST|PUT|PATCH|DELETE) `?(\/(?:api|health|openapi|docs|unsubscribe)[^\s`?)]*)/g,
      ),
    ].map(([, method = "", path = ""]) => ({ method, path: path.replace(/[.,;:]+$/, "") }));
    const unknown = named.filter(
      ({ method, path }) =>
        !path.includes("…") &&
        !path.includes("...") &&
        !path.includes("{") &&
        operationOf(method, path) === null,
    );
    expect(unknown).toEqual([]);
  });
});

it("docs/guarantees.md defines each test that a promise names, and no other", () => {
  const text = readFileSync("docs/guarantees.md", "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  const named = rows.flatMap((row) => [...row.matchAll(/\[([a-z0-9-]+)\](?!\()/g)]);
  const defined = [...text.matchAll(/^\[([^\]]+)\]: /gm)];
  const namesOf = (found: RegExpExecArray[]) => [...new Set(found.map(([, name]) => name))];
  expect(namesOf(named).toSorted()).toEqual(namesOf(defined).toSorted());
});

/** Decisions have a form of their own. The other two have neither line yet. */
const WITHOUT_FRAME = [
  "docs/explain/adr/",
  "docs/explain/simulation.md",
  "docs/operate/runbooks/circuit-breaker-open.md",
];
const framed = pages.filter(
  (page) => page.startsWith("docs/") && !WITHOUT_FRAME.some((start) => page.startsWith(start)),
);

it.each(framed)("%s has what one needs before it, and ends with a next step", (page) => {
  const text = readFileSync(page, "utf8");
  expect(text.split("\n## ")[0]).toMatch(/\n\n\*\*Before you start:\*\* \S/);
  expect(text).toMatch(/\n## Next\n\n\[[^]*\]\(.+\)[^#]*$/);
});

it("the investor review asks for what the API has", () => {
  const text = readFileSync(".claude/commands/investor-review.md", "utf8");
  const asked = [...text.matchAll(/\$URL(\/[^"?\s]*)/g)].map(([, path]) => path ?? "");
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((path) => operationOf("GET", path) === null)).toEqual([]);
});

describe("CONTRIBUTING.md", () => {
  const text = readFileSync("CONTRIBUTING.md", "utf8");
  const [, tree = ""] = /## The tree[^]*?```([^]*?)```/.exec(text) ?? [];

  it("has a tree of files that there are", () => {
    const above: string[] = [];
    const paths = tree.matchAll(/^( *)([\w./-]+)\/ /gm).map(([, indent = "", name = ""]) => {
      above.splice(indent.length / 2, Infinity, name);
      return above.join("/");
    });
    expect([...paths].filter((path) => !existsSync(path))).toEqual([]);
    const named = [...tree.matchAll(/[\w./-]+\.ts/g)].map(([name]) => name);
    expect(named.filter((name) => !isFile(name))).toEqual([]);
  });

  it("names functions, types and fields that there are", () => {
    const code = globSync("{shared,workers,scripts,test,bench}/**/*.ts")
      .concat("package.json", "tsconfig.json", "vitest.config.ts", "wrangler.cron.toml")
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    const named = [...text.matchAll(/`([a-zA-Z]\w+)`/g)].map(([, name = ""]) => name);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
  });
});

it("docs/reference/storage.md has a row of each table of D1", () => {
  const tables = new SqliteD1().rows<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
  );
  const [section = ""] = readFileSync("docs/reference/storage.md", "utf8").split(
    "## Durable Objects",
  );
  const rows = section.split("\n").flatMap((line) => /^\| (`[^|]*) \|/.exec(line)?.[1] ?? []);
  const named = new Set(
    rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name)),
  );
  expect(tables.length).toBeGreaterThan(20);
  expect(tables.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
});

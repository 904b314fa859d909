import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { operationOf } from "../support/conformance.ts";

const pages = [
  "README.md",
  ...["docs", "docs/adr", "docs/runbooks", "bench", ".claude/commands"].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".md"))
      .map((name) => `${folder}/${name}`),
  ),
];

describe.each(pages)("%s", (page) => {
  const text = readFileSync(page, "utf8");

  it("links to files that there are", () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(
      ([, link]) => link ?? "",
    );
    expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([]);
  });

  it("names operations that there are", () => {
    const named = [
      ...text.matchAll(
        /(GET|POST|PATCH|DELETE) `?(\/(?:api|health|openapi|docs|unsubscribe)[^\s`?)]*)/g,
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

it("the investor review asks for what the API has", () => {
  const text = readFileSync(".claude/commands/investor-review.md", "utf8");
  const asked = [...text.matchAll(/\$URL(\/[^"?\s]*)/g)].map(([, path]) => path ?? "");
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((path) => operationOf("GET", path) === null)).toEqual([]);
});

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { referencePages } from "../../scripts/reference/pages.ts";
import { problemHelp } from "../../shared/http/problem-help.ts";

const pages = Object.entries(referencePages());

it.each(pages)("%s is what the code makes: `npm run reference` writes it", (path, text) => {
  expect(readFileSync(path, "utf8")).toBe(text);
});

it("the errors page has each problem with its cause and what to do", () => {
  const page = readFileSync("docs/reference/errors.md", "utf8");
  const sections = page.split(/^## /m).slice(1, -1);
  expect(sections.map((section) => section.split("\n")[0]).toSorted()).toEqual(
    Object.keys(problemHelp).toSorted(),
  );
  for (const section of sections) {
    expect(section).toMatch(/\*\*Cause:\*\* \w/);
    expect(section).toMatch(/\*\*What to do:\*\* \w/);
  }
});

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { accessRows } from "../../test/support/access-table.ts";
import { operations } from "./operations.ts";

it("docs/reference/access.md has a row for each operation, with its access", () => {
  const rows = readFileSync("docs/reference/access.md", "utf8")
    .split("\n")
    .filter((line) => /^\| (GET|POST|PUT|PATCH|DELETE) /.test(line));
  expect(rows).toEqual(accessRows(operations));
});

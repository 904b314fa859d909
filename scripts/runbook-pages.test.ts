import { expect, it } from "vitest";
import { runbookBody } from "./runbook-pages.ts";

it("a page that uses the variables defines them before its first command", () => {
  const html = runbookBody("# Title\n\nText.\n\n```sh\ncurl -s $LUNA/health\n```\n");
  const [before = "", after = ""] = html.split("export LUNA=");
  expect(before).toContain("<h1>Title</h1>");
  expect(after).toContain("export TOKEN");
  expect(after).toContain("curl -s $LUNA/health");
  expect(runbookBody("# Title\n\nText.\n")).not.toContain("LUNA");
});

it("a page has the variables instead of the line that leads to them", () => {
  const line = "**Before you start:** [set `LUNA`](../operations.md#runbooks).";
  const html = runbookBody(`# Title\n\nText.\n\n${line}\n\n## Next\n`);
  expect(html).not.toContain("Before you start");
  expect(html).toContain("Text.");
});

it("a link to a file of the repository names its path", () => {
  expect(
    runbookBody("# T\n\n[ADR 8](../../explain/adr/0008-deployments.md#why), [x](kv-down.md)\n"),
  ).toContain('ADR 8 (<code>docs/explain/adr/0008-deployments.md</code>), <a href="kv-down">x</a>');
});

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";

const root = mkdtempSync(join(tmpdir(), "luna-lint-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
}

/** Lints a tree of its own with the real plugin. Returns `file: rule` of each problem, sorted. */
async function problems(): Promise<string[]> {
  const oxlint = resolve("node_modules/oxlint/bin/oxlint");
  const found = await promisify(execFile)(
    process.execPath,
    [oxlint, "--format", "json", "--disable-nested-config", "-c", ".oxlintrc.json", "."],
    { cwd: root },
  ).catch((error: { stdout: string }) => error);
  const { diagnostics } = JSON.parse(found.stdout) as {
    diagnostics: { filename: string; code: string }[];
  };
  return diagnostics.map(({ filename, code }) => `${filename}: ${code}`).toSorted();
}

it("names each import that breaks layers, library entries or the purity of rules", async () => {
  write({
    ".oxlintrc.json": JSON.stringify({
      categories: { correctness: "off" },
      jsPlugins: [resolve("scripts/lint/structure.ts")],
      rules: {
        "structure/columns": "error",
        "structure/layers": ["error", ["shared/lib/box", "shared/shop", "workers"]],
        "structure/library-entry": ["error", ["shared/lib/box"]],
      },
      overrides: [{ files: ["**/rules/**"], rules: { "structure/pure": "error" } }],
    }),
    "shared/lib/box/index.ts": 'export { inner } from "./inner.ts";\n',
    "shared/lib/box/inner.ts": "export const inner = 1;\n",
    "shared/lib/box/upwards.ts": 'import type { Order } from "../../shop/order.ts";\n',
    "shared/shop/order.ts": 'import { inner } from "../lib/box/index.ts";\n',
    "shared/shop/around.ts": 'import { inner } from "../lib/box/inner.ts";\n',
    "shared/shop/outside.ts": 'import { help } from "../../test/help.ts";\n',
    "shared/shop/rules/clock.ts": "export const now = () => Date.now();\n",
    "shared/shop/rules/date.ts": "export const today = () => new Date();\n",
    "shared/shop/rules/platform.ts": 'import { env } from "cloudflare:workers";\n',
    "shared/shop/rules/given.ts": "export const after = (now: number) => new Date(now);\n",
    "workers/long.ts": `export const long = "${"x".repeat(100)}";\n`,
    "workers/shop.ts": 'import type { Order } from "../shared/shop/order.ts";\n',
  });
  expect(await problems()).toEqual([
    "shared/lib/box/upwards.ts: structure(layers)",
    "shared/shop/around.ts: structure(library-entry)",
    "shared/shop/outside.ts: structure(layers)",
    "shared/shop/rules/clock.ts: structure(pure)",
    "shared/shop/rules/date.ts: structure(pure)",
    "shared/shop/rules/platform.ts: structure(pure)",
    "workers/long.ts: structure(columns)",
  ]);
});

it("holds comments and the titles of tests to the words of the glossary, but not their data", async () => {
  rmSync(root, { recursive: true });
  write({
    ".oxlintrc.json": JSON.stringify({
      categories: { correctness: "off" },
      jsPlugins: [resolve("scripts/lint/structure.ts")],
      rules: { "structure/prose": "error" },
    }),
    "comment.test.ts": "// It says so.\n",
    "each.test.ts": 'it.each([1])("the index knows %i", () => {});\n',
    "group.test.ts": 'describe("what it tells", () => {});\n',
    "text.ts": 'export const text = "it says so";\n',
    "titled.test.ts": "const runs = 2;\nit(`says it ${runs} times`, () => {});\n",
    "words.test.ts": 'it("has an answer", () => answer("so it says"));\n',
  });
  expect(await problems()).toEqual([
    "comment.test.ts: structure(prose)",
    "each.test.ts: structure(prose)",
    "group.test.ts: structure(prose)",
    "text.ts: structure(prose)",
    "titled.test.ts: structure(prose)",
  ]);
});

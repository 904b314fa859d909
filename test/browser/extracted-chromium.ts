import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

const print = `import chromium from "@sparticuz/chromium";
process.stdout.write(await chromium.executablePath());`;

/**
 * Unpacks Chromium once, for this run alone. The package unpacks into the temporary directory and
 * takes a file there for complete, so that the first of several test files would give the others
 * one that it is still writing.
 */
export default function setup(project: TestProject): () => void {
  const directory = mkdtempSync(join(tmpdir(), "luna-chromium-"));
  const path = execFileSync(process.execPath, ["--input-type=module", "--eval", print], {
    env: { ...process.env, TMPDIR: directory },
    encoding: "utf8",
  });
  project.provide("chromium", path);
  return () => rmSync(directory, { recursive: true, force: true });
}

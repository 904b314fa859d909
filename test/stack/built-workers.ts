import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { ensureConsole } from "../../scripts/build-console.ts";
import { writeLocalConfigs } from "../../scripts/local-configs.ts";

/**
 * Bundles the three Workers once, as a deployment does. Each start of a stack would do it again,
 * and there are dozens.
 */
export default async function setup(project: TestProject): Promise<() => void> {
  const directory = mkdtempSync(join(tmpdir(), "luna-stack-"));
  // Those of the TOMLs, except for the rate limits: a test asks more often than a user.
  const configs = writeLocalConfigs(directory, {});
  await ensureConsole();
  await Promise.all(
    configs.map(async (config) => {
      const built = `${config}.built`;
      await promisify(execFile)(
        "node_modules/.bin/wrangler",
        ["deploy", "--dry-run", "--outdir", built, "-c", config],
        { env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" } },
      );
      const settings = JSON.parse(readFileSync(config, "utf8")) as object;
      const main = join(built, "index.js");
      writeFileSync(config, JSON.stringify({ ...settings, main, no_bundle: true }));
    }),
  );
  project.provide("stackConfigs", configs);
  return () => rmSync(directory, { recursive: true, force: true });
}

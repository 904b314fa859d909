/**
 * Deploys the three Workers to Cloudflare: `npm run deploy -- --env staging`, for the first time
 * with `--secrets <file>`; `npm run deploy -- --dry-run` builds everything without an account,
 * checks the sizes and prints what a deployment would do. What a deployment needs stands in
 * docs/configuration.md, why it is done in this way in docs/adr/0008-deployments.md.
 */
import { spawnSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { build } from "./deploy/build.ts";
import { deploy } from "./deploy/deployment.ts";
import { dryRun } from "./deploy/dry-run.ts";
import { environmentNames, type EnvironmentName } from "./deploy/environments.ts";
import { wranglerAt } from "./deploy/wrangler.ts";
import { badVariables } from "./settings.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** @throws Error if the smoke test, which says why itself, does not pass */
function smoke(url: string, token: string | undefined, override: string | null): void {
  const done = spawnSync(process.execPath, ["scripts/smoke.ts", url], {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...(token === undefined ? {} : { LUNA_TOKEN: token }),
      ...process.env,
      LUNA_VERSION_OVERRIDES: override ?? "",
    },
  });
  if (done.status !== 0) throw new Error("the smoke test failed");
}

function isEnvironment(name: string): name is EnvironmentName {
  return (environmentNames as readonly string[]).includes(name);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      "dry-run": { type: "boolean" },
      env: { type: "string", default: "production" },
      secrets: { type: "string" },
    },
  });
  const { env: environment, secrets: secretsFile } = values;
  if (!isEnvironment(environment))
    throw new Error(`--env must be one of ${environmentNames.join(", ")}`);
  const wrangler = wranglerAt(["wrangler"], process.env);
  if (values["dry-run"] === true) return dryRun(environment, secretsFile, wrangler, say);

  // Ctrl-C, a terminal that is closed and a job that is cancelled end the step that is being done,
  // as a failure: the runner then gives the traffic back.
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => stop.abort());
  const outcome = await deploy({
    environment,
    secretsFile,
    wrangler,
    build: () => build(wrangler, say),
    smoke,
    pause: async (seconds) => {
      await setTimeout(seconds * 1_000, undefined, { signal: stop.signal }).catch(() =>
        Promise.reject(new Error("interrupted")),
      );
    },
    say,
    directories: { environments: "environments", generated: "dist/deploy" },
    badVariables,
  });
  if (outcome.ok) return say(`${environment} has this release`);
  const { back, notBack, reason } = outcome;
  if (back.length > 0) say(`back to the release before: ${back.join(", ")}`);
  if (notBack.length > 0)
    say(`NOT back, and now with the new release: ${notBack.join(", ")}. See docs/operations.md`);
  throw new Error(reason);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`luna: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

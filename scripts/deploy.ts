/**
 * Deploys the three Workers to Cloudflare: `npm run deploy -- --env staging`, for the first time
 * with `--secrets <file>`; `npm run deploy -- --dry-run` builds everything without an account,
 * checks the sizes and prints what a deployment would do. docs/configuration.md has what
 * a deployment needs, docs/adr/0008-deployments.md the reasons.
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

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** @throws Error if the smoke test fails; it prints the reason itself */
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
  if (values["dry-run"] === true) return dryRun(environment, secretsFile, wrangler, print);

  // Ctrl-C, a closed terminal and a cancelled job make the current step fail: the runner then gives
  // the traffic back.
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => stop.abort());
  const outcome = await deploy({
    environment,
    secretsFile,
    wrangler,
    build: () => build(wrangler, print),
    smoke,
    pause: async (seconds) => {
      await setTimeout(seconds * 1_000, undefined, { signal: stop.signal }).catch(() =>
        Promise.reject(new Error("interrupted")),
      );
    },
    say: print,
    directories: { environments: "environments", generated: "dist/deploy" },
    badVariables,
  });
  if (outcome.ok) return print(`${environment} has this release`);
  const { back, notBack, reason } = outcome;
  if (back.length > 0) print(`back to the previous release: ${back.join(", ")}`);
  if (notBack.length > 0)
    print(`NOT back, still with the new release: ${notBack.join(", ")}. See docs/operations.md`);
  throw new Error(reason);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`luna: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

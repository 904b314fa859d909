/** Deploys the three Workers to Cloudflare: `npm run deploy`. docs/explain/adr has the reasons. */
import { spawnSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { commandLine, reportFailure } from "./command-line.ts";
import { build } from "./deploy/build.ts";
import { deploy, type SmokeTest } from "./deploy/deployment.ts";
import { dryRun } from "./deploy/dry-run.ts";
import { environmentNames, type EnvironmentName } from "./deploy/environments.ts";
import { wranglerAt } from "./deploy/wrangler.ts";
import { badVariables } from "./settings.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** @throws Error if the smoke test fails; it prints the reason itself */
function smoke({ url, token, override, emailTo, runsTask }: SmokeTest): void {
  const acts = [
    ...(emailTo === null ? [] : ["--mail-to", emailTo]),
    ...(runsTask ? ["--run-task"] : []),
  ];
  const done = spawnSync(process.execPath, ["scripts/smoke.ts", url, ...acts], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, LUNA_TOKEN: token, LUNA_VERSION_OVERRIDES: override ?? "" },
  });
  if (done.status !== 0) throw new Error("the smoke test failed");
}

function isEnvironment(name: string): name is EnvironmentName {
  return (environmentNames as readonly string[]).includes(name);
}

const { values } = commandLine({
  name: "deploy",
  about:
    "Deploys the three Workers to Cloudflare: creates what is missing, gives a new version " +
    "traffic step by step, and takes it back if a smoke test fails. What it needs: " +
    "docs/reference/configuration.md.",
  options: {
    "dry-run": {
      type: "boolean",
      about: "builds everything, checks the sizes, prints the plan; needs no account",
      default: false,
    },
    env: { type: "string", value: "<name>", about: "production or staging", default: "production" },
    secrets: {
      type: "string",
      value: "<file>",
      about: "secrets to set, one NAME=value per line; the first deployment needs them",
    },
    "no-email": { type: "boolean", about: "the smoke test sends no email", default: false },
    verbose: { type: "boolean", about: "also prints what Wrangler prints", default: false },
  },
  variables: {
    LUNA_TOKEN: "the admin token of a deployment that exists",
    CLOUDFLARE_API_TOKEN: "signs in instead of npx wrangler login",
  },
});

async function main(): Promise<void> {
  const { env: environment, secrets: secretsFile } = values;
  if (!isEnvironment(environment))
    throw new Error(`--env must be one of ${environmentNames.join(", ")}`);
  const wrangler = wranglerAt(["wrangler"], process.env, values.verbose);
  const wanted = {
    environment,
    secretsFile,
    token: process.env["LUNA_TOKEN"] || undefined,
    sendsEmail: !values["no-email"],
    wrangler,
    print,
  };
  if (values["dry-run"]) return dryRun(wanted);

  // Ctrl-C, a closed terminal and a cancelled job make the current step fail: the runner then gives
  // the traffic back.
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => stop.abort());
  const outcome = await deploy({
    ...wanted,
    build: () => build(wrangler, print),
    smoke,
    pause: async (seconds) => {
      await setTimeout(seconds * 1_000, undefined, { signal: stop.signal }).catch(() =>
        Promise.reject(new Error("interrupted")),
      );
    },
    directories: { environments: "environments", generated: "dist/deploy" },
    badVariables,
  });
  if (outcome.ok) return print(`${environment} has this release`);
  const { back, notBack, reason } = outcome;
  if (back.length > 0) print(`back to the previous release: ${back.join(", ")}`);
  if (notBack.length > 0)
    print(
      `NOT back, still with the new release: ${notBack.join(", ")}. See docs/operate/operations.md`,
    );
  throw new Error(reason);
}

try {
  await main();
} catch (error) {
  reportFailure(error);
}

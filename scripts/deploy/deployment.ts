import { join } from "node:path";
import type { Misconfigured } from "../../shared/lib/worker/variables.ts";
import { readAccount, readIds } from "./account.ts";
import { describeStep } from "./commands.ts";
import type { EnvironmentName } from "./environments.ts";
import {
  configFiles,
  effectiveVars,
  objectsOf,
  readEnvironment,
  readSecrets,
  readToml,
  withSecretsFile,
  writeConfigs,
} from "./files.ts";
import { plan, type Wanted } from "./plan.ts";
import { explainRefusal } from "./refusal.ts";
import { run, type Outcome } from "./run.ts";
import { badValue } from "./values.ts";
import type { Wrangler } from "./wrangler.ts";

export type Deployment = {
  environment: EnvironmentName;
  /** A file of secrets, as `.dev.vars` has them, that go along. */
  secretsFile: string | undefined;
  wrangler: Wrangler;
  build: () => void;
  /** @throws Error if the deployment at `url` is not well */
  smoke: (url: string, token: string | undefined, override: string | null) => void;
  pause: (seconds: number) => Promise<void>;
  say: (line: string) => void;
  /** Where the environments' files are, and where the generated ones go. */
  directories: { environments: string; generated: string };
  /** Variables that the Workers would refuse. */
  badVariables: (vars: Record<string, string | undefined>) => Misconfigured[];
};

/**
 * Brings one environment to this release.
 *
 * @throws Error before anything was changed, if it cannot be begun
 */
export async function deploy(deployment: Deployment): Promise<Outcome> {
  const { environment: name, wrangler, say } = deployment;
  const environment = readEnvironment(name, deployment.directories.environments);
  const directory = join(deployment.directories.generated, name);
  const secrets = readSecrets(deployment.secretsFile);
  const wanted: Wanted = {
    environment,
    vars: effectiveVars(environment),
    secrets: Object.keys(secrets),
    objects: objectsOf(readToml("api")),
  };

  const account = readAccount(wrangler, name);
  const planned = plan(account, wanted);
  if (!planned.ok) throw new Error(explainRefusal(planned.refusal, name));
  const given: Record<string, string | undefined> = { ...wanted.vars, ...secrets };
  const bad = badValue(given, account, deployment.badVariables);
  if (bad !== undefined) throw new Error(`${bad.variable} ${bad.message}`);
  say(planText(planned.steps.map((step) => describeStep(step, name))));

  const url = given["PUBLIC_URL"] ?? "";
  return await run(planned.steps, account, name, {
    wrangler,
    build: deployment.build,
    configure() {
      const { databaseId, namespaceId } = readIds(wrangler, name);
      if (databaseId === null || namespaceId === null)
        throw new Error("the account does not list what was created in it");
      writeConfigs(directory, environment, { databaseId, namespaceId });
    },
    config: configFiles(directory),
    withSecrets: (worker, use) => withSecretsFile(directory, worker, secrets, use),
    smoke: (override) =>
      deployment.smoke(url, secrets["READONLY_TOKEN"] ?? secrets["ADMIN_TOKEN"], override),
    pause: deployment.pause,
    say,
  });
}

/** A plan, numbered. */
export function planText(steps: string[]): string {
  return steps.map((step, n) => `${String(n + 1).padStart(4)}. ${step}`).join("\n");
}

import { join } from "node:path";
import type { Misconfigured } from "../../shared/lib/worker/variables.ts";
import { readAccount, readBookmark, readIds } from "./account.ts";
import { describeStep } from "./commands.ts";
import type { Environment, EnvironmentName } from "./environments.ts";
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
import { NO_EMAIL, plan, type SmokeAct, type WantedDeployment } from "./plan.ts";
import { explainRefusal } from "./refusal.ts";
import { run, type DeployOutcome } from "./run.ts";
import { lingeringSecrets } from "./secrets.ts";
import { badValue } from "./values.ts";
import type { Wrangler } from "./wrangler.ts";

export type SmokeTest = {
  url: string;
  token: string;
  /** The value of the header that pins each request to one version. */
  override: string | null;
  /** Who gets an email from luna-consumer; null: none is sent. */
  emailTo: string | null;
  /** Whether luna-cron runs a task. */
  runsTask: boolean;
};

export type Deployment = {
  environment: EnvironmentName;
  /** A file of secrets, as `.dev.vars` has them, that go along. */
  secretsFile: string | undefined;
  wrangler: Wrangler;
  build: () => void;
  /** The admin token of a deployment that exists already; otherwise the file of secrets has it. */
  token: string | undefined;
  /** False: the smoke test sends no email. */
  sendsEmail: boolean;
  /** @throws Error if the deployment is not well */
  smoke: (test: SmokeTest) => void;
  pause: (seconds: number) => Promise<void>;
  print: (line: string) => void;
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
export async function deploy(deployment: Deployment): Promise<DeployOutcome> {
  const { environment: name, wrangler, print } = deployment;
  const environment = readEnvironment(name, deployment.directories.environments);
  const directory = join(deployment.directories.generated, name);
  const secrets = readSecrets(deployment.secretsFile);
  const vars = effectiveVars(environment);
  const given: Record<string, string | undefined> = { ...vars, ...secrets };
  const token = deployment.token ?? secrets["ADMIN_TOKEN"];
  const wanted: WantedDeployment = {
    environment,
    vars,
    secrets: Object.keys(secrets),
    objects: objectsOf(readToml("api")),
    hasToken: token !== undefined,
    recipient: deployment.sendsEmail ? smokeRecipient(environment, given) : NO_EMAIL,
  };

  const account = readAccount(wrangler, name);
  const planned = plan(account, wanted);
  if (!planned.ok) throw new Error(explainRefusal(planned.refusal, name));
  const bad = badValue(given, account, deployment.badVariables);
  if (bad !== undefined) throw new Error(`${bad.variable} ${bad.message}`);
  for (const line of lingeringSecrets(account, name, wanted.secrets)) print(line);
  print(planText(planned.steps.map((step) => describeStep(step, name))));

  const url = given["PUBLIC_URL"] ?? "";
  return await run(planned.steps, account, name, {
    wrangler,
    build: deployment.build,
    configure() {
      const { databaseId, namespaceId } = readIds(wrangler, name);
      if (databaseId === null || namespaceId === null)
        throw new Error("the account does not list what was created in it");
      const hasBucket = account.bucket !== "off";
      writeConfigs(directory, environment, { databaseId, namespaceId, hasBucket });
    },
    config: configFiles(directory),
    bookmark: () => readBookmark(wrangler, configFiles(directory)("api")),
    withSecrets: (worker, use) => withSecretsFile(directory, worker, secrets, use),
    smoke: (override, also: readonly SmokeAct[]) =>
      deployment.smoke({
        url,
        token: token ?? "",
        override,
        emailTo: also.includes("email") ? wanted.recipient : null,
        runsTask: also.includes("task"),
      }),
    pause: deployment.pause,
    print,
  });
}

/** Who gets the email of the smoke test: an empty variable is no recipient. */
export function smokeRecipient(
  environment: Environment,
  given: Record<string, string | undefined>,
): string | null {
  return environment.smokeTestTo ?? (given["ALERT_EMAIL"] || null);
}

/** A plan, numbered. */
export function planText(steps: string[]): string {
  return steps.map((step, n) => `${String(n + 1).padStart(4)}. ${step}`).join("\n");
}

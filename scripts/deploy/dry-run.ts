import { emptyAccount, type Account } from "./account.ts";
import { build } from "./build.ts";
import { describeStep } from "./commands.ts";
import { planText } from "./deployment.ts";
import { namesOf, type EnvironmentName } from "./environments.ts";
import {
  configFiles,
  effectiveVars,
  objectsOf,
  readEnvironment,
  readSecrets,
  readToml,
  writeConfigs,
} from "./files.ts";
import { refusalOf, stepsFor } from "./plan.ts";
import { explainRefusal } from "./refusal.ts";
import type { Wrangler } from "./wrangler.ts";

/**
 * Needs no account: builds everything, the generated configurations too, and prints the plans for
 * an empty account and for one with the previous release.
 */
export function dryRun(
  name: EnvironmentName,
  secretsFile: string | undefined,
  wrangler: Wrangler,
  say: (line: string) => void,
): void {
  const environment = readEnvironment(name);
  const secrets = Object.keys(readSecrets(secretsFile));
  const wanted = {
    environment,
    vars: effectiveVars(environment),
    secrets,
    objects: objectsOf(readToml("api")),
  };
  const directory = `dist/deploy/${name}`;
  writeConfigs(directory, environment, { databaseId: "dry-run", namespaceId: "dry-run" });
  const config = configFiles(directory);
  build(wrangler, say, [
    config("api", "services"),
    config("api"),
    config("consumer"),
    config("cron"),
  ]);

  const before: Account = {
    databaseId: "dry-run",
    namespaceId: "dry-run",
    queues: namesOf(name).queues,
    workers: { api: deployed(wanted.objects), consumer: deployed(null), cron: deployed(null) },
  };
  for (const [title, account] of [
    [`The first deployment of ${name}:`, emptyAccount],
    [
      "Later deployments (with Durable Object migrations luna-api gets all traffic at once):",
      before,
    ],
  ] as const) {
    say(
      `\n${title}\n${planText(stepsFor(account, wanted).map((step) => describeStep(step, name)))}`,
    );
  }
  const refusal = refusalOf(emptyAccount, wanted);
  if (refusal !== null)
    say(`\nBefore the first deployment of ${name}, ${explainRefusal(refusal, name)}`);
}

const deployed = (objects: string | null) => ({
  traffic: [{ versionId: "before", percentage: 100 }],
  objects,
  secrets: [],
});

import { emptyAccount, type Account } from "./account.ts";
import { build } from "./build.ts";
import { describeStep } from "./commands.ts";
import { planText, smokeRecipient, type Deployment } from "./deployment.ts";
import { namesOf } from "./environments.ts";
import {
  configFiles,
  effectiveVars,
  objectsOf,
  readEnvironment,
  readSecrets,
  readToml,
  writeConfigs,
} from "./files.ts";
import { NO_EMAIL, planRefusal, stepsFor } from "./plan.ts";
import { explainRefusal } from "./refusal.ts";

/**
 * Needs no account: builds everything, the generated configurations too, and prints the plans for
 * an empty account and for one with the previous release.
 */
export function dryRun({
  environment: name,
  secretsFile,
  token,
  sendsEmail,
  wrangler,
  print,
}: Pick<
  Deployment,
  "environment" | "secretsFile" | "token" | "sendsEmail" | "wrangler" | "print"
>): void {
  const environment = readEnvironment(name);
  const secrets = readSecrets(secretsFile);
  const vars = effectiveVars(environment);
  const wanted = {
    environment,
    vars,
    secrets: Object.keys(secrets),
    objects: objectsOf(readToml("api")),
    hasToken: (token ?? secrets["ADMIN_TOKEN"]) !== undefined,
    recipient: sendsEmail ? smokeRecipient(environment, { ...vars, ...secrets }) : NO_EMAIL,
  };
  const directory = `dist/deploy/${name}`;
  const ids = { databaseId: "dry-run", namespaceId: "dry-run" };
  writeConfigs(directory, environment, { ...ids, hasBucket: true });
  const config = configFiles(directory);
  build(wrangler, print, [
    config("api", "services"),
    config("api"),
    config("consumer"),
    config("cron"),
  ]);

  const before: Account = {
    databaseId: "dry-run",
    namespaceId: "dry-run",
    queues: namesOf(name).queues,
    subscribed: Object.keys(environment.feedbackDomains),
    bucket: "there",
    workers: { api: deployed(wanted.objects), consumer: deployed(null), cron: deployed(null) },
    emailsToCopy: 0,
  };
  for (const [title, account] of [
    [`The first deployment of ${name}:`, emptyAccount],
    [
      "Later deployments (with Durable Object migrations luna-api gets all traffic at once):",
      before,
    ],
  ] as const) {
    print(
      `\n${title}\n${planText(stepsFor(account, wanted).map((step) => describeStep(step, name)))}`,
    );
  }
  const refusal = planRefusal(emptyAccount, wanted);
  if (refusal !== null)
    print(`\nBefore the first deployment of ${name}, ${explainRefusal(refusal, name)}`);
}

const deployed = (objects: string | null) => ({
  traffic: [{ versionId: "before", percentage: 100 }],
  objects,
  secrets: [],
});

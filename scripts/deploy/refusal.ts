import { namesOf, type EnvironmentName } from "./environments.ts";
import { MAX_EMAILS_AT_ONCE, pagedCopyText, SHAPE } from "./paged-copy.ts";
import type { PlanRefusal } from "./plan.ts";

const remedies = {
  token: () => "no admin token: set LUNA_TOKEN, or name the file of --secrets that has ADMIN_TOKEN",
  recipient: (environment: EnvironmentName) =>
    `no recipient of its email: set smokeTestTo in environments/${environment}.toml, ` +
    "or ALERT_EMAIL; --no-email deploys without one",
};

/** Why nothing was deployed, and what to do. */
export function explainRefusal(refusal: PlanRefusal, environment: EnvironmentName): string {
  const { worker: name, database } = namesOf(environment);
  switch (refusal.tag) {
    case "missing":
      return [
        "not set, but required (docs/reference/configuration.md):",
        ...[...Map.groupBy(refusal.variables, ({ name: variable }) => variable)].map(
          ([variable, users]) => {
            const whose = `${variable} of ${users.map(({ worker }) => name(worker)).join(", ")}`;
            const isSecret = users.some(({ secret }) => secret);
            const place = isSecret
              ? "the file of --secrets"
              : `[vars] of environments/${environment}.toml`;
            return `  ${whose}: into ${place}`;
          },
        ),
      ].join("\n");
    case "twice":
      return `both in [vars] and in the file of --secrets: ${refusal.names.join(", ")}`;
    case "smoke-test":
      return [
        "the smoke test could not look at all three Workers:",
        ...refusal.lacks.map((what) => `  ${remedies[what](environment)}`),
      ].join("\n");
    case "too-many-emails":
      return [
        `more than ${MAX_EMAILS_AT_ONCE} emails: the migration ${SHAPE} would copy them in one`,
        "query, which D1 ends after 30 s. Copy them in pages, while Luna goes on:",
        pagedCopyText(database),
      ].join("\n");
    case "under-way":
      return [
        `the traffic of ${name(refusal.worker)} is split: another deployment is running or was`,
        "interrupted. First give all traffic to one of its versions:",
        ...refusal.traffic.map(({ versionId, percentage }) => {
          const command = `npx wrangler versions deploy ${versionId}@100`;
          return `  ${command} --yes --name ${name(refusal.worker)}   # now ${percentage} %`;
        }),
      ].join("\n");
  }
}

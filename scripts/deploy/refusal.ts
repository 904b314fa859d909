import { namesOf, type EnvironmentName } from "./environments.ts";
import type { Refusal } from "./plan.ts";

/** Why nothing was deployed, and what to do. */
export function explainRefusal(refusal: Refusal, environment: EnvironmentName): string {
  const { worker: name } = namesOf(environment);
  switch (refusal.tag) {
    case "missing":
      return [
        "not set, but required (docs/configuration.md):",
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

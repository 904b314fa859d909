import { namesOf, type EnvironmentName } from "./environments.ts";
import type { Refusal } from "./plan.ts";

/** Why nothing was done, and what to do about it. */
export function explainRefusal(refusal: Refusal, environment: EnvironmentName): string {
  const { worker: name } = namesOf(environment);
  switch (refusal.tag) {
    case "missing":
      return [
        `not set, and Luna cannot do without (docs/configuration.md):`,
        ...[...Map.groupBy(refusal.variables, ({ name: variable }) => variable)].map(
          ([variable, users]) => {
            const whose = `${variable} of ${users.map(({ worker }) => name(worker)).join(", ")}`;
            const isSecret = users.some(({ secret }) => secret);
            return `  ${whose}: into ${isSecret ? "the file of --secrets" : `[vars] of environments/${environment}.toml`}`;
          },
        ),
      ].join("\n");
    case "twice":
      return `both in [vars] and in the file of --secrets: ${refusal.names.join(", ")}`;
    case "under-way":
      return [
        `the traffic of ${name(refusal.worker)} is split, so another deployment is under way or has been left. Decide for one of its versions first:`,
        ...refusal.traffic.map(
          ({ versionId, percentage }) =>
            `  npx wrangler versions deploy ${versionId}@100 --yes --name ${name(refusal.worker)}   # has ${percentage} % now`,
        ),
      ].join("\n");
  }
}

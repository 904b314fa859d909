import type { Account } from "./account.ts";
import { namesOf, workers, type EnvironmentName } from "./environments.ts";
import { variablesOf } from "./needed-variables.ts";

/**
 * A deployment adds and changes secrets. It removes none, since the release before may read it.
 *
 * @param given the names in the file of secrets, if one is given
 * @returns a line per secret in the account that this release does not read, or that the given file
 *   no longer has, with the command that removes it
 */
export function lingeringSecrets(
  account: Account,
  environment: EnvironmentName,
  given: readonly string[],
): string[] {
  return workers.flatMap((worker) => {
    const name = namesOf(environment).worker(worker);
    const read = new Set<string>(variablesOf(worker).map((variable) => variable.name));
    return (account.workers[worker]?.secrets ?? []).flatMap((secret) => {
      const reason = !read.has(secret)
        ? "which this release does not read"
        : given.length > 0 && !given.includes(secret)
          ? "which is not in the file of --secrets, and stays"
          : null;
      if (reason === null) return [];
      const remove = `npx wrangler secret delete ${secret} --name ${name}`;
      return [`${name} has the secret ${secret}, ${reason}: ${remove}`];
    });
  });
}

import type { Misconfigured } from "../../shared/lib/worker/variables.ts";
import type { Account } from "./account.ts";
import { workers } from "./environments.ts";

type Values = Record<string, string | undefined>;

/**
 * Nobody can read the values of the secrets that the account has already. Each has a stand-in,
 * since a part whose secret is missing is said to be without it and nothing else; of one that its
 * part takes for bad nothing is said, for it was not given.
 *
 * @returns the first value that a Worker would refuse of those that are given
 */
export function badValue(
  given: Values,
  account: Account,
  badVariables: (vars: Values) => Misconfigured[],
): Misconfigured | undefined {
  const there = workers.flatMap((worker) => account.workers[worker]?.secrets ?? []);
  const standIns = Object.fromEntries(
    there.map((name) => [name, `the-${name}-that-is-there-already-as-a-secret`]),
  );
  return badVariables({ ...standIns, ...given }).find(
    ({ variable }) => given[variable] !== undefined,
  );
}

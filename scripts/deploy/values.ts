import type { Misconfigured } from "../../shared/lib/worker/variables.ts";
import type { Account } from "./account.ts";
import { workers } from "./environments.ts";

type Values = Record<string, string | undefined>;

/** It is for local runs. */
const loopbackAllowed: Misconfigured = {
  tag: "misconfigured",
  variable: "OUTBOUND_ALLOW_LOOPBACK",
  message: "must not be true in a deployment",
};

/**
 * The values of secrets in the account cannot be read, so each gets a placeholder: otherwise a part
 * would report only the missing secret. An invalid placeholder is not reported, because it was not
 * given.
 *
 * @returns the first given value that a Worker would refuse
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
  const bad = badVariables({ ...standIns, ...given }).find(
    ({ variable }) => given[variable] !== undefined,
  );
  return bad ?? (given["OUTBOUND_ALLOW_LOOPBACK"] === "true" ? loopbackAllowed : undefined);
}

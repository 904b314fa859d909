import type { Failure } from "../../http/failure.ts";
import { forbidden } from "./deny-reasons.ts";
import { scopesOfRole, testScopes, type KeyScope, type OperatorRole } from "./key-scopes.ts";

/** Which keys may be made. Pure. */

/** The scopes of a key, by its role or its own. */
export const scopesOf = ({ role, scopes }: Granted): readonly KeyScope[] =>
  role === null ? scopes : scopesOfRole[role];

type Granted = { scopes: readonly KeyScope[]; role: OperatorRole | null };

/** The scopes that their giver lacks. */
const scopesBeyond = (wanted: readonly KeyScope[], giver: readonly KeyScope[]): KeyScope[] =>
  wanted.filter((scope) => !giver.includes(scope));

/** Why scopes must not be given; null if they may. A key gives nobody more than it has itself. */
export function denyReasonForGranting(
  wanted: readonly KeyScope[],
  giver: readonly KeyScope[],
): Failure | null {
  const beyond = scopesBeyond(wanted, giver);
  return beyond.length === 0
    ? null
    : forbidden(`You lack the scope ${beyond.join(", ")}, so that you cannot grant it.`);
}

const realScopes = (scopes: readonly KeyScope[]): KeyScope[] =>
  scopes.filter((scope) => !testScopes.some((one) => one === scope));

const invalid = (path: string, message: string): Failure => ({
  tag: "invalid",
  errors: [{ path, message }],
});

/** Why a key must not be made; null if it may. */
export function denyReasonForKey(
  wanted: Granted & { expiresAt: number | null; test: boolean },
  maker: readonly KeyScope[],
  now: number,
): Failure | null {
  if (wanted.expiresAt !== null && wanted.expiresAt <= now)
    return invalid("expiresAt", "must be in the future");
  if (wanted.test && realScopes(wanted.scopes).length > 0)
    return invalid("scopes", `of a test key must be among ${testScopes.join(", ")}`);
  return denyReasonForGranting(scopesOf(wanted), maker);
}

import * as v from "valibot";
import {
  keyScopes,
  operatorRoles,
  scopesOfRole,
  scopesOfUser,
  scopesWithin,
  teamScopes,
  type KeyScope,
  type OperatorRole,
  type UserScope,
} from "./key-scopes.ts";
import { tiers, user, type AccountTier, type User } from "./schemas.ts";

/**
 * Whose a key is and what it may do, as the cache has it. `validUntil`: of the key before a
 * rotation. `user` and `team`: null if the owner is none. Scopes of a later release open nothing.
 */
export const keyHolder = v.strictObject({
  keyId: v.string(),
  owner: v.string(),
  name: v.string(),
  scopes: v.array(v.string()),
  role: v.nullable(v.string()),
  test: v.boolean(),
  expiresAt: v.nullable(v.number()),
  validUntil: v.nullable(v.number()),
  user: v.nullable(user),
  team: v.nullable(v.strictObject({ teamId: v.string(), tier: v.nullable(v.picklist(tiers)) })),
});
export type KeyHolder = v.InferOutput<typeof keyHolder>;

/** A team by its key. `tier`: the highest one of its owners. */
export type KeyTeam = { teamId: string; tier: AccountTier | null };

/** Who acts with a key. */
export type Holder =
  | { of: "user"; user: User; scopes: UserScope[]; keyId: string; test: boolean }
  | { of: "team"; team: KeyTeam; scopes: KeyScope[]; keyId: string; test: boolean }
  | {
      of: "operator";
      name: string;
      role: OperatorRole | null;
      scopes: KeyScope[];
      keyId: string;
    };

/** @returns null if the key is over, or its owner is gone */
export function holderOf(found: KeyHolder, now: number): Holder | null {
  const { keyId, test, scopes, expiresAt, validUntil } = found;
  if ((expiresAt !== null && expiresAt <= now) || (validUntil !== null && validUntil <= now))
    return null;
  if (found.user !== null) {
    const own = scopesOfUser(found.user.scopes);
    return { of: "user", user: found.user, scopes: scopesWithin(own, scopes), keyId, test };
  }
  if (found.team !== null)
    return { of: "team", team: found.team, scopes: scopesWithin(teamScopes, scopes), keyId, test };
  if (found.owner !== "admin") return null;
  const role = operatorRoles.find((one) => one === found.role) ?? null;
  const { name } = found;
  const granted: readonly KeyScope[] =
    role === null ? scopesWithin(keyScopes, scopes) : scopesOfRole[role];
  return { of: "operator", name, role, scopes: [...granted], keyId };
}

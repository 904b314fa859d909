import { tiers, type AccountTier, type Role, type Scope } from "./schemas.ts";

/**
 * The permissions of each tier, which also has those of the tiers before it. Each opens an
 * operation of Luna. Pure.
 */
const ofTier = {
  free: ["workspaces:create"],
  pro: ["teams:create", "teams:invite"],
  enterprise: [],
} as const satisfies Record<AccountTier, readonly string[]>;

type TierPermission = (typeof ofTier)[AccountTier][number];

/**
 * The permissions of each role in its team, which also has those of the roles before it.
 * `team:invite` allows to add and remove members with the role `member`, `team:manage` to rename
 * and delete the team.
 */
const ofRole = {
  member: ["team:read"],
  admin: ["team:invite", "workspaces:create"],
  owner: ["team:manage-roles", "team:manage"],
} as const satisfies Record<Role, readonly string[]>;
const roles: readonly Role[] = ["member", "admin", "owner"];

export type TeamPermission = (typeof ofRole)[Role][number];

/** All permissions of a user: those of the tier and the scopes that the admin granted. */
export function permissionsOf(tier: AccountTier, scopes: readonly Scope[]): string[] {
  return [...tiersUpTo(tier), ...scopes];
}

export function tierAllows(tier: AccountTier, permission: TierPermission): boolean {
  return tiersUpTo(tier).includes(permission);
}

/** All permissions of a member in a team, by role. */
export function permissionsIn(role: Role): TeamPermission[] {
  return roles.slice(0, roles.indexOf(role) + 1).flatMap((each) => ofRole[each]);
}

const tiersUpTo = (tier: AccountTier): TierPermission[] =>
  tiers.slice(0, tiers.indexOf(tier) + 1).flatMap((each) => ofTier[each]);

import type { Role, Scope, AccountTier } from "./schemas.ts";

/** The permissions of each tier, which also has those of the tiers before it. Pure. */
const ofTier = {
  free: ["account:manage", "usage:read", "workspaces:create"],
  pro: ["teams:create", "teams:invite"],
  enterprise: ["audit:read", "support:priority"],
} as const satisfies Record<AccountTier, readonly string[]>;
const tiers: readonly AccountTier[] = ["free", "pro", "enterprise"];

export type TierPermission = (typeof ofTier)[AccountTier][number];

/**
 * The permissions of each role in its team, which also has those of the roles before it.
 * `team:invite` allows to add and remove members with the role `member`.
 */
const ofRole = {
  member: ["team:read"],
  admin: ["team:invite", "workspaces:create"],
  owner: ["team:manage-roles"],
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

import type { Role, Scope, Tier } from "./schemas.ts";

/** What a tier may do; each includes those before it. Pure. */
const ofTier = {
  free: ["account:manage", "usage:read", "workspaces:create"],
  pro: ["teams:create", "teams:invite"],
  enterprise: ["audit:read", "support:priority"],
} as const satisfies Record<Tier, readonly string[]>;
const tiers: readonly Tier[] = ["free", "pro", "enterprise"];

export type TierPermission = (typeof ofTier)[Tier][number];

/**
 * What a role may do in its team; each includes those before it. Whoever may invite adds and
 * removes plain members.
 */
const ofRole = {
  member: ["team:read"],
  admin: ["team:invite", "workspaces:create"],
  owner: ["team:manage-roles"],
} as const satisfies Record<Role, readonly string[]>;
const roles: readonly Role[] = ["member", "admin", "owner"];

export type TeamPermission = (typeof ofRole)[Role][number];

/** Everything that a user may do: by tier, and by the scopes that the admin granted. */
export function permissionsOf(tier: Tier, scopes: readonly Scope[]): string[] {
  return [...tiersUpTo(tier), ...scopes];
}

export function tierAllows(tier: Tier, permission: TierPermission): boolean {
  return tiersUpTo(tier).includes(permission);
}

/** Everything that a member may do in a team by their role. */
export function permissionsIn(role: Role): TeamPermission[] {
  return roles.slice(0, roles.indexOf(role) + 1).flatMap((each) => ofRole[each]);
}

const tiersUpTo = (tier: Tier): TierPermission[] =>
  tiers.slice(0, tiers.indexOf(tier) + 1).flatMap((each) => ofTier[each]);

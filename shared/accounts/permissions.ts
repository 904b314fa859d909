import type { Scope, Tier } from "./schemas.ts";

/** What a tier may do; each includes those before it. Pure. */
const ofTier: Record<Tier, readonly string[]> = {
  free: ["account:manage", "usage:read", "workspaces:create"],
  pro: ["teams:create", "teams:invite"],
  enterprise: ["audit:read", "support:priority"],
};
const order: readonly Tier[] = ["free", "pro", "enterprise"];

/** Everything that a user may do: by tier, and by the scopes that the admin granted. */
export function permissionsOf(tier: Tier, scopes: readonly Scope[]): string[] {
  return [...order.slice(0, order.indexOf(tier) + 1).flatMap((each) => ofTier[each]), ...scopes];
}

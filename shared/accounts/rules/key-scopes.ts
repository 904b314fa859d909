/** What a key may do: its scopes, and the roles of operators. Pure. */

/** Scopes of a team's keys: what a team has. */
export const teamScopes = [
  "emails:send",
  "emails:read",
  "emails:manage",
  "senders:read",
  "senders:manage",
  "webhooks:read",
  "webhooks:manage",
  "heartbeats:read",
  "heartbeats:manage",
  "teams:read",
  "keys:read",
  "keys:manage",
] as const;

/** Scopes of a user's keys. */
export const userScopes = [
  ...teamScopes,
  "users:read",
  "users:export",
  "users:manage",
  "usage:read",
  "usage:write",
  "teams:manage",
  "workspaces:manage",
] as const;

/** Scopes of operators' keys. What a user's scope opens for one account, it opens for all. */
export const keyScopes = [
  ...userScopes,
  "emails:replay",
  "sending:manage",
  "suppressions:read",
  "suppressions:manage",
  "system:read",
  "breakers:manage",
  "cache:purge",
  "jobs:read",
  "jobs:manage",
  "alerts:manage",
  "audit:read",
] as const;

export type KeyScope = (typeof keyScopes)[number];
export type UserScope = (typeof userScopes)[number];

/** A key for tests sends emails that go nowhere. Nothing else that it could do would be a test. */
export const testScopes = ["emails:send", "emails:read", "emails:manage"] as const;

const viewer = [
  "emails:read",
  "senders:read",
  "webhooks:read",
  "heartbeats:read",
  "suppressions:read",
  "system:read",
  "jobs:read",
  "audit:read",
] as const satisfies readonly KeyScope[];

/** The scopes of each role of an operator, the weakest role first. */
export const scopesOfRole = {
  viewer,
  support: [...viewer, "users:read", "usage:read", "teams:read", "emails:replay"],
  admin: keyScopes,
} as const satisfies Record<string, readonly KeyScope[]>;

export type OperatorRole = keyof typeof scopesOfRole;
export const operatorRoles = Object.keys(scopesOfRole) as [OperatorRole, ...OperatorRole[]];

/** The strongest of some roles; null of none. */
export const strongestRole = (roles: readonly OperatorRole[]): OperatorRole | null =>
  operatorRoles.findLast((role) => roles.includes(role)) ?? null;

/** The scopes of a user: all that their account has, and what the operator granted. */
export function scopesOfUser(granted: readonly string[]): UserScope[] {
  return userScopes.filter((scope) => scope !== "emails:send" || granted.includes(scope));
}

/** A key of a user never does more than the user may. An unknown scope opens nothing. */
export const scopesWithin = <Scope extends KeyScope>(
  holder: readonly Scope[],
  key: readonly string[],
): Scope[] => holder.filter((scope) => key.includes(scope));

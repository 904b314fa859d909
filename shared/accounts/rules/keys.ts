/** The cache keys and tags of accounts. No other file builds them. */

/** The reads of a user besides the user. */
export const relatedReads = [
  "permissions",
  "subscription",
  "usage",
  "teams",
  "workspaces",
] as const;
export type RelatedRead = (typeof relatedReads)[number];

/** Also the tag of every entry about this user. */
export const userKey = (userId: string): string => `user:${userId}`;
export const relatedKey = (userId: string, what: RelatedRead): string => `user:${userId}:${what}`;
export const emailKey = (email: string): string => `email:${email}`;
/** Only the SHA-256 of an API key leaves the isolate, never the key. */
export const apiKeyKey = (apiKeyHash: string): string => `api_key:${apiKeyHash}`;

/** What a key other than a user's first one may do. */
export const keyHolderKey = (hash: string): string => `api_key:holder:${hash}`;
/** The tag of what is cached of one key, by each of its hashes. */
export const keyTag = (keyId: string): string => `api_key:id:${keyId}`;

/** The tag of every entry about this team. */
export const teamKey = (teamId: string): string => `team:${teamId}`;

/** The tenant of the emails that this user's keys send. */
export const tenantOfUser = (userId: string): string => `user:${userId}`;
/** The tenant of a team's keys. */
export const tenantOfTeam = (teamId: string): string => `team:${teamId}`;

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

/** The tag of every entry about this team. */
export const teamKey = (teamId: string): string => `team:${teamId}`;

/** The tenant of the emails that this user's keys send. */
export const tenantOfUser = (userId: string): string => `user:${userId}`;

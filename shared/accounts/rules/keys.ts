/** The keys and tags of accounts in the cache: the one place that builds them. */

/** What is read of a user besides the user. */
export const relatedReads = [
  "permissions",
  "subscription",
  "usage",
  "teams",
  "workspaces",
] as const;
export type RelatedRead = (typeof relatedReads)[number];

/** Also the tag that everything of this user carries, under whichever key it is kept. */
export const userKey = (userId: string): string => `user:${userId}`;
export const relatedKey = (userId: string, what: RelatedRead): string => `user:${userId}:${what}`;
export const emailKey = (email: string): string => `email:${email}`;
/** Never the key itself: only its SHA-256 leaves the isolate. */
export const apiKeyKey = (apiKeyHash: string): string => `api_key:${apiKeyHash}`;

/** A tag: of everything that says something of a team. */
export const teamKey = (teamId: string): string => `team:${teamId}`;

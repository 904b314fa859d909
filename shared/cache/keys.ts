import { sha256Hex } from "../hash.ts";

/** Every key of the cache and every tag: the one place that builds them. */

/** What is read of a user besides the user. */
export const relatedReads = ["permissions", "subscription", "usage", "teams", "workspaces"] as const;
export type RelatedRead = (typeof relatedReads)[number];

/** Also the tag that everything of this user carries, under whichever key it is kept. */
export const userKey = (userId: string): string => `user:${userId}`;
export const relatedKey = (userId: string, what: RelatedRead): string => `user:${userId}:${what}`;
export const emailKey = (email: string): string => `email:${email}`;
/** Never the key itself: only its SHA-256 leaves the isolate. */
export const apiKeyKey = (apiKeyHash: string): string => `api_key:${apiKeyHash}`;

/** A tag: of everything that says something of a team. */
export const teamKey = (teamId: string): string => `team:${teamId}`;

/** A purge by pattern: every key that begins with what stands before the star. */
const pattern = /^[^*]+:\*$/;

/** Patterns are prefixes that end at a colon, since those are what an entry carries as tags. */
export function isPattern(text: string): boolean {
  return pattern.test(text);
}

/**
 * What an entry carries without being told: its own key, and its prefix at each colon as a pattern. So a purge by key or by pattern is
 * one by tag.
 */
export function implicitTags(key: string): string[] {
  const tags = [key];
  for (let colon = key.indexOf(":"); colon !== -1; colon = key.indexOf(":", colon + 1)) tags.push(`${key.slice(0, colon + 1)}*`);
  return tags;
}

const KV_MAX_KEY_BYTES = 512;

/** A key as KV takes it: one that is too long is replaced by its hash. */
export async function storageKey(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key).byteLength;
  return bytes <= KV_MAX_KEY_BYTES ? key : `sha256:${await sha256Hex(key)}`;
}

import { sha256Hex } from "../../base/hash.ts";

/** Keys of the cache, and the tags that follow from them. */

/** A purge by pattern: every key that begins with what stands before the star. */
const pattern = /^[^*]+:\*$/;

/** Patterns are prefixes that end at a colon, since those are what an entry carries as tags. */
export function isPattern(text: string): boolean {
  return pattern.test(text);
}

/**
 * What an entry carries without being told: its own key, and its prefix at each colon as a pattern.
 * So a purge by key or by pattern is one by tag.
 */
export function implicitTags(key: string): string[] {
  const tags = [key];
  for (let colon = key.indexOf(":"); colon !== -1; colon = key.indexOf(":", colon + 1))
    tags.push(`${key.slice(0, colon + 1)}*`);
  return tags;
}

const KV_MAX_KEY_BYTES = 512;

/** A key as KV takes it: one that is too long is replaced by its hash. */
export async function storageKey(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key).byteLength;
  return bytes <= KV_MAX_KEY_BYTES ? key : `sha256:${await sha256Hex(key)}`;
}

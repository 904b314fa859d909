import { sha256Hex } from "../../base/hash.ts";

/** Keys of the cache, and the tags that follow from them. */

/** A pattern: all keys that begin with the text before the star. */
const pattern = /^[^*]+:\*$/;

/** Whether a text is a pattern. Patterns end at a colon, since entries carry those prefixes as tags. */
export function isPattern(text: string): boolean {
  return pattern.test(text);
}

/**
 * The tags that follow from a key: the key itself, and its prefix at each colon as a pattern. So a
 * purge by key or by pattern is a purge by tag.
 */
export function implicitTags(key: string): string[] {
  const tags = [key];
  for (let colon = key.indexOf(":"); colon !== -1; colon = key.indexOf(":", colon + 1))
    tags.push(`${key.slice(0, colon + 1)}*`);
  return tags;
}

const KV_MAX_KEY_BYTES = 512;

/** The name of a key in KV. A key that is too long for KV is replaced by its hash. */
export async function storageKey(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key).byteLength;
  return bytes <= KV_MAX_KEY_BYTES ? key : `sha256:${await sha256Hex(key)}`;
}

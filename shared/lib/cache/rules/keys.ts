import type * as v from "valibot";
import { sha256Hex } from "../../base/hash.ts";

/** Keys of the cache, and the tags that follow from them. */

/** A pattern: all keys that begin with the text before the star. */
const pattern = /^[^*]+:\*$/;

/**
 * Whether a text is a pattern. Patterns end at a colon, since entries carry those prefixes as tags.
 */
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

/**
 * The family of a key: its text up to the first colon, or none. Keys of one family are taken to
 * have one origin.
 */
export function familyOf(key: string): string {
  return key.slice(0, Math.max(key.indexOf(":"), 0));
}

const KV_MAX_KEY_BYTES = 512;

/** The name of a key in KV. A key that is too long for KV is replaced by its hash. */
export async function storageKey(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key).byteLength;
  return bytes <= KV_MAX_KEY_BYTES ? key : `sha256:${await sha256Hex(key)}`;
}

/**
 * Where a reader keeps its own entry of a key while the key's name in KV has an entry of another
 * shape. It differs between schemas that differ in more than their functions.
 */
export function nameOfShape(key: string, schema: v.GenericSchema): string {
  return `${key}#${fnv1a(textOf(schema)).toString(16).padStart(8, "0")}`;
}

/** FNV-1a, 32 bits: synchronous, and two shapes of one key need no more. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < text.length; n += 1)
    hash = Math.imul(hash ^ text.charCodeAt(n), 0x01000193) >>> 0;
  return hash;
}

function textOf(schema: v.GenericSchema): string {
  try {
    return JSON.stringify(schema, (_, part: unknown) =>
      typeof part === "bigint" || part instanceof RegExp ? String(part) : part,
    );
  } catch {
    return "";
  }
}

import type { Entry, EntryFreshness } from "../rules/entry.ts";
import type { ReadTags } from "../rules/read.ts";
import type { TagIndexClient } from "../tags/isolate/client.ts";
import type { Freshness } from "../tags/rules/sequence.ts";
import type { TagView } from "../tags/rules/view.ts";

/**
 * The freshness of an entry under the present view, by the union of its tags and those of the read:
 * another release may have stored it with fewer. The entry keeps what its own tags decide until the
 * view changes.
 */
export function freshnessOf(entry: Entry, view: TagView, readTags: ReadTags = []): EntryFreshness {
  if (entry.freshness.revision !== view.revision) {
    entry.freshness = {
      revision: view.revision,
      value: view.freshness(entry.stamp, entry.tags),
    };
  }
  const { value } = entry.freshness;
  if (value === "purged" || value === "unknown") return value;
  const further = furtherTags(entry, readTags);
  return further.length === 0 ? value : view.freshness(entry.stamp, [...entry.tags, ...further]);
}

/**
 * The freshness of an entry, after a look-up of the tags if the view does not hold them. `unknown`
 * if the index does not answer.
 */
export async function lookUpFreshness(
  entry: Entry,
  tags: TagIndexClient,
  readTags: ReadTags,
): Promise<Freshness | "unknown"> {
  const freshness = freshnessOf(entry, tags.view, readTags);
  if (freshness !== "look-up") return freshness;
  await tags.lookUp([...entry.tags, ...furtherTags(entry, readTags)]);
  const afterwards = freshnessOf(entry, tags.view, readTags);
  return afterwards === "look-up" ? "unknown" : afterwards;
}

const NONE: readonly string[] = [];
/** From this length on, a set is faster than a search per tag. */
const LONG = 16;

/** The tags of a read that the entry does not carry. Most often there are none. */
function furtherTags({ tags }: Entry, readTags: ReadTags): readonly string[] {
  if (typeof readTags === "function" || readTags.length === 0) return NONE;
  if (readTags.length <= LONG) return readTags.filter((tag) => !tags.includes(tag));
  const carried = new Set(tags);
  return readTags.filter((tag) => !carried.has(tag));
}

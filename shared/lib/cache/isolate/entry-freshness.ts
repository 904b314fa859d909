import type { Entry, EntryFreshness } from "../rules/entry.ts";
import type { TagIndexClient } from "../tags/isolate/client.ts";
import type { Freshness } from "../tags/rules/sequence.ts";
import type { TagView } from "../tags/rules/view.ts";

/** The freshness of an entry under the present view. The entry keeps it until the view changes. */
export function freshnessOf(entry: Entry, view: TagView): EntryFreshness {
  if (entry.freshness.revision !== view.revision) {
    entry.freshness = {
      revision: view.revision,
      value: view.freshness(entry.stamp, entry.tags),
    };
  }
  return entry.freshness.value;
}

/**
 * The freshness of an entry, after a look-up of its tags if the view does not hold them. `unknown`
 * if the index does not answer.
 */
export async function lookUpFreshness(
  entry: Entry,
  tags: TagIndexClient,
): Promise<Freshness | "unknown"> {
  const freshness = freshnessOf(entry, tags.view);
  if (freshness !== "look-up") return freshness;
  await tags.lookUp(entry.tags);
  const afterwards = freshnessOf(entry, tags.view);
  return afterwards === "look-up" ? "unknown" : afterwards;
}

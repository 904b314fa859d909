/**
 * Sequence numbers order purges and loads, without any clock: a purge raises the index's sequence
 * and writes it to its tags; an entry is stamped with the sequence that was known before its load
 * began. So an entry is older than a purge exactly if its stamp is smaller, however long the load
 * took, and a purge that lands while a loader runs can never be undone by it. Pure.
 */

/** Hard: never serve what is older. Soft: serve it while it is loaded anew. */
export type PurgeMode = "hard" | "soft";

/**
 * The index as a whole. `generation` is random: entries of another index, or of one that lost its
 * storage, are nobody's.
 */
export type Meta = {
  readonly generation: string;
  readonly seq: number;
  /** Whatever is stamped below this is purged. */
  readonly floor: number;
  /** Whatever is stamped below this is stale. */
  readonly softFloor: number;
};

/** When a tag was purged last; 0 for never. */
export type TagPurge = { readonly hard: number; readonly soft: number };

export type Stamp = { readonly generation: string; readonly seq: number };

export const neverPurged: TagPurge = { hard: 0, soft: 0 };

/** The index after a purge of some tags: they get its `seq`. */
export function purgeTags(meta: Meta): Meta {
  return { ...meta, seq: meta.seq + 1 };
}

/** The index after a purge of everything. */
export function purgeAll(meta: Meta, mode: PurgeMode): Meta {
  const seq = meta.seq + 1;
  return mode === "hard" ? { ...meta, seq, floor: seq } : { ...meta, seq, softFloor: seq };
}

/** A tag after a purge: soft never undoes hard. */
export function purgedTag(before: TagPurge, mode: PurgeMode, seq: number): TagPurge {
  return mode === "hard" ? { ...before, hard: seq } : { ...before, soft: seq };
}

/**
 * The index after it has forgotten every tag that was last purged at `upTo` or before. Entries that
 * are older than that can no longer be told from purged ones, so they count as purged.
 */
export function forgetTags(meta: Meta, upTo: number): Meta {
  return { ...meta, floor: Math.max(meta.floor, Math.min(upTo, meta.seq)) };
}

/** What may be done with an entry. */
export type Verdict = "fresh" | "stale" | "purged";

/** Judges an entry by the index and by the purges of its tags. */
export function judge(stamp: Stamp, meta: Meta, purges: Iterable<TagPurge>): Verdict {
  if (stamp.generation !== meta.generation || stamp.seq < meta.floor) return "purged";
  let verdict: Verdict = stamp.seq < meta.softFloor ? "stale" : "fresh";
  for (const { hard, soft } of purges) {
    if (hard > stamp.seq) return "purged";
    if (soft > stamp.seq) verdict = "stale";
  }
  return verdict;
}

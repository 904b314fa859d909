/**
 * Sequence numbers order purges and loads, without a clock. A purge raises the sequence of the
 * index and writes it to its tags. An entry is stamped with the sequence that was known before its
 * load began. So an entry is older than a purge exactly if its stamp is smaller, however long the
 * load took. A load that runs during a purge cannot undo the purge.
 */

/** Hard: never serve an older entry. Soft: serve it as stale while it is reloaded. */
export type PurgeMode = "hard" | "soft";

/**
 * The index as a whole. `generation` is random. Entries of another generation, as after the index
 * has lost its storage, count as purged.
 */
export type Meta = {
  readonly generation: string;
  readonly seq: number;
  /** Entries with a smaller stamp are purged. */
  readonly floor: number;
  /** Entries with a smaller stamp are stale. */
  readonly softFloor: number;
};

/** The sequences of a tag's last purges. 0: never. */
export type TagPurge = { readonly hard: number; readonly soft: number };

export type Stamp = { readonly generation: string; readonly seq: number };

export const neverPurged: TagPurge = { hard: 0, soft: 0 };

/** The index after a purge of some tags. The tags get its `seq`. */
export function purgeTags(meta: Meta): Meta {
  return { ...meta, seq: meta.seq + 1 };
}

/** The index after a purge of everything. */
export function purgeAll(meta: Meta, mode: PurgeMode): Meta {
  const seq = meta.seq + 1;
  return mode === "hard" ? { ...meta, seq, floor: seq } : { ...meta, seq, softFloor: seq };
}

/** A tag after a purge. A soft purge does not undo a hard one. */
export function purgedTag(before: TagPurge, mode: PurgeMode, seq: number): TagPurge {
  return mode === "hard" ? { ...before, hard: seq } : { ...before, soft: seq };
}

/**
 * The index after it has forgotten all tags that were last purged at `upTo` or before. Whether an
 * older entry was purged is then unknown, so all older entries count as purged.
 */
export function forgetTags(meta: Meta, upTo: number): Meta {
  return { ...meta, floor: Math.max(meta.floor, Math.min(upTo, meta.seq)) };
}

/** Serve it; serve it while it is reloaded; never serve it. */
export type Freshness = "fresh" | "stale" | "purged";

/** The freshness of an entry, by the index and the purges of the entry's tags. */
export function stampFreshness(stamp: Stamp, meta: Meta, purges: Iterable<TagPurge>): Freshness {
  if (stamp.generation !== meta.generation || stamp.seq < meta.floor) return "purged";
  let freshness: Freshness = stamp.seq < meta.softFloor ? "stale" : "fresh";
  for (const { hard, soft } of purges) {
    if (hard > stamp.seq) return "purged";
    if (soft > stamp.seq) freshness = "stale";
  }
  return freshness;
}

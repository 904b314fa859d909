import {
  stampFreshness,
  neverPurged,
  type Freshness,
  type Meta,
  type Stamp,
  type TagPurge,
} from "./sequence.ts";

/** Tags with their purges, as they travel. */
export type Purges = readonly (readonly [tag: string, purge: TagPurge])[];

/** All purges after `since`. With `since` null only `meta`, without any purge. */
export type TagSyncReply = { meta: Meta; since: number | null; purges: Purges };

/** The purges of the tags that were looked up, as of `meta.seq`. */
export type LookupReply = { meta: Meta; purges: Purges };

/** The tag that all entries carry, for a purge of everything. */
export const EVERYTHING = "*";

/** A sync that was sent: when, in milliseconds since the epoch, and what was known then. */
export type Asked = { at: number; since: Stamp | null };

/**
 * The view holds at most so many tags. A tag that was dropped is looked up again when an old entry
 * needs it.
 */
const MAX_TAGS = 50_000;

/**
 * What an isolate has of the tag index. It holds all purges after `known`. For older entries the
 * purges of their tags must be looked up. It does no I/O: it gets the replies of the index, and the
 * times at which they were asked for.
 */
export class TagView {
  #meta: Meta | null = null;
  #known = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #purges = new Map<string, TagPurge>();
  #lookedUp = new Map<string, TagPurge>();
  /** How many purges of each tag this isolate has begun and not finished. */
  readonly #pendingInvalidations = new Map<string, number>();
  readonly #maxTags: number;
  /**
   * Changes whenever the freshness of an entry may change. While it is the same, a freshness that
   * was decided before still holds.
   */
  revision = 0;

  constructor(maxTags = MAX_TAGS) {
    this.#maxTags = maxTags;
  }

  /**
   * The stamp of a load that begins now, and the `since` of the next sync. Null before the first
   * reply of the index.
   */
  get stamp(): Stamp | null {
    return this.#meta === null ? null : { generation: this.#meta.generation, seq: this.#meta.seq };
  }

  /**
   * The age of the view in milliseconds, counted from when its sync was sent. A clock that was set
   * back makes it infinite.
   */
  ageMs(now: number): number {
    return now < this.#askedAt ? Number.POSITIVE_INFINITY : now - this.#askedAt;
  }

  /**
   * The freshness of an entry. `look-up`: the entry is older than the purges that the view holds,
   * see `missing`. `unknown`: the index has not replied yet.
   */
  freshness(stamp: Stamp, tags: readonly string[]): Freshness | "look-up" | "unknown" {
    if (this.#meta === null) return "unknown";
    if (this.hasPendingInvalidation(tags)) return "purged";
    const freshness = stampFreshness(stamp, this.#meta, this.#held(tags));
    if (stamp.seq >= this.#known || freshness === "purged") return freshness;
    return this.missing(tags).length === 0 ? freshness : "look-up";
  }

  /**
   * Whether an entry with this stamp was purged since, as far as the view shows. Pending
   * invalidations do not count.
   */
  wasPurged(stamp: Stamp, tags: readonly string[]): boolean {
    return this.#meta !== null && stampFreshness(stamp, this.#meta, this.#held(tags)) === "purged";
  }

  /** Whether this isolate has begun a purge of one of these tags and not finished it. */
  hasPendingInvalidation(tags: readonly string[]): boolean {
    return (
      this.#pendingInvalidations.size > 0 &&
      (this.#pendingInvalidations.has(EVERYTHING) ||
        tags.some((tag) => this.#pendingInvalidations.has(tag)))
    );
  }

  /** The tags of an old entry that must be looked up. */
  missing(tags: readonly string[]): string[] {
    return tags.filter((tag) => !this.#purges.has(tag) && !this.#lookedUp.has(tag));
  }

  *#held(tags: readonly string[]): Iterable<TagPurge> {
    for (const tag of tags) yield this.#purges.get(tag) ?? this.#lookedUp.get(tag) ?? neverPurged;
  }

  /**
   * Adopts the reply to a sync, at `now`.
   *
   * @returns false if it came from a former index that has lost its storage since: then the request
   *   is lost, too
   */
  sync({ meta, since, purges }: TagSyncReply, asked: Asked, now: number): boolean {
    const before = this.#meta;
    if (before !== null && before.generation !== meta.generation) {
      if (asked.since?.generation !== before.generation) return false;
      this.#forget();
    } else if (before !== null && meta.seq < this.#known) {
      // The reply is older than purges that the view has dropped. Adopting it would hide that.
      return true;
    }
    if (this.#meta === null || since === null) {
      this.revision += 1;
      // Purges before a cold reply are not held any more. Those that this isolate made since are.
      this.#known = Math.max(this.#known, meta.seq);
      this.#purges = new Map(
        [...this.#purges].filter(([, { hard, soft }]) => Math.max(hard, soft) > meta.seq),
      );
      this.#lookedUp.clear();
    }
    this.#advance(meta);
    this.#age(asked.at, now);
    for (const [tag, purge] of purges) this.#hold(tag, purge);
    this.#dropOldest();
    return true;
  }

  /** A time in the future was set before the clock was set back, so its age is unknown. */
  #age(askedAt: number, now: number): void {
    const held = this.#askedAt > now ? Number.NEGATIVE_INFINITY : this.#askedAt;
    this.#askedAt = askedAt > now ? held : Math.max(held, askedAt);
  }

  /** Adopts the reply to a look-up. */
  lookUp({ meta, purges }: LookupReply): void {
    // It lacks purges that the view got after this reply and has dropped since.
    if (this.#meta === null || meta.generation !== this.#meta.generation || meta.seq < this.#known)
      return;
    // The index may have forgotten tags since. Its floor covers the purges that it has forgotten.
    this.#advance({ ...meta, seq: this.#meta.seq });
    this.revision += 1;
    if (this.#lookedUp.size + purges.length > this.#maxTags) this.#lookedUp.clear();
    for (const [tag, purge] of purges) if (!this.#purges.has(tag)) this.#lookedUp.set(tag, purge);
  }

  /**
   * From now on entries with these tags count as purged, with any stamp. The caller ends that
   * when its own purge has succeeded and the view has the reply. Another isolate's purge of a tag
   * does not end it: that may be older than the write.
   *
   * @returns the function that ends it
   */
  beginInvalidation(tags: readonly string[]): () => void {
    this.revision += 1;
    for (const tag of tags)
      this.#pendingInvalidations.set(tag, (this.#pendingInvalidations.get(tag) ?? 0) + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.revision += 1;
      for (const tag of tags) {
        const left = (this.#pendingInvalidations.get(tag) ?? 1) - 1;
        if (left === 0) this.#pendingInvalidations.delete(tag);
        else this.#pendingInvalidations.set(tag, left);
      }
    };
  }

  #hold(tag: string, { hard, soft }: TagPurge): void {
    this.revision += 1;
    const held = this.#purges.get(tag) ?? neverPurged;
    this.#purges.set(tag, { hard: Math.max(hard, held.hard), soft: Math.max(soft, held.soft) });
    this.#lookedUp.delete(tag);
  }

  #advance(meta: Meta): void {
    const before = this.#meta;
    if (before === null || meta.floor > before.floor || meta.softFloor > before.softFloor)
      this.revision += 1;
    this.#meta =
      before === null
        ? meta
        : {
            generation: meta.generation,
            seq: Math.max(meta.seq, before.seq),
            floor: Math.max(meta.floor, before.floor),
            softFloor: Math.max(meta.softFloor, before.softFloor),
          };
  }

  /** Drops the half that was purged longest ago. */
  #dropOldest(): void {
    if (this.#purges.size <= this.#maxTags) return;
    const sequences = [...this.#purges.values()]
      .map(({ hard, soft }) => Math.max(hard, soft))
      .toSorted((a, b) => a - b);
    this.revision += 1;
    this.#known = sequences[sequences.length >> 1] ?? this.#known;
    this.#purges = new Map(
      [...this.#purges].filter(([, { hard, soft }]) => Math.max(hard, soft) > this.#known),
    );
  }

  #forget(): void {
    this.revision += 1;
    this.#meta = null;
    this.#known = 0;
    this.#purges.clear();
    this.#lookedUp.clear();
  }
}

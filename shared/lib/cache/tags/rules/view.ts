import {
  judge,
  neverPurged,
  type Meta,
  type Stamp,
  type TagPurge,
  type Verdict,
} from "./sequence.ts";

/** Tags with their purges, as they travel. */
export type Purges = readonly (readonly [tag: string, purge: TagPurge])[];

/** Everything that was purged after `since`; with `since` null only where the index is. */
export type SyncReply = { meta: Meta; since: number | null; purges: Purges };

/** The purges of the tags that were asked for, as they were at `meta.seq`. */
export type LookupReply = { meta: Meta; purges: Purges };

/** What every entry carries, without being told. For a purge of everything. */
export const EVERYTHING = "*";

/** A sync that was sent: when, and what was known then. */
export type Asked = { at: number; since: Stamp | null };

/**
 * More tags than this are not held; what is dropped is looked up again when an old entry needs it.
 */
const MAX_TAGS = 50_000;

/**
 * What an isolate knows of the tag index. It holds every purge after `known`; for entries that are
 * older than that it needs the purges of their tags looked up. Pure: it is told what the index
 * answered, and when it was asked.
 */
export class TagView {
  #meta: Meta | null = null;
  #known = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #purges = new Map<string, TagPurge>();
  #lookedUp = new Map<string, TagPurge>();
  /** How many purges of each tag this isolate has begun and not finished. */
  readonly #doubted = new Map<string, number>();
  readonly #maxTags: number;
  /**
   * Differs whenever a verdict may differ: who keeps one need not judge again while it is the same.
   */
  revision = 0;

  constructor(maxTags = MAX_TAGS) {
    this.#maxTags = maxTags;
  }

  /**
   * What a load that begins now is stamped with, and from where the next sync has to tell; null
   * before anything is known.
   */
  get stamp(): Stamp | null {
    return this.#meta === null ? null : { generation: this.#meta.generation, seq: this.#meta.seq };
  }

  /**
   * How old the view is: its age counts from when its sync was sent. A clock that was set back
   * makes it infinitely old.
   */
  ageMs(now: number): number {
    return now < this.#askedAt ? Number.POSITIVE_INFINITY : now - this.#askedAt;
  }

  /**
   * Judges an entry. `look-up`: it is older than what the view holds, see `missing`. `unknown`:
   * nothing is known yet.
   */
  judge(stamp: Stamp, tags: readonly string[]): Verdict | "look-up" | "unknown" {
    if (this.#meta === null) return "unknown";
    if (this.isDoubted(tags)) return "purged";
    const verdict = judge(stamp, this.#meta, this.#held(tags));
    if (stamp.seq >= this.#known || verdict === "purged") return verdict;
    return this.missing(tags).length === 0 ? verdict : "look-up";
  }

  /**
   * Whether what carries this stamp was purged since, as far as the view knows; what is in doubt
   * was not.
   */
  wasPurged(stamp: Stamp, tags: readonly string[]): boolean {
    return this.#meta !== null && judge(stamp, this.#meta, this.#held(tags)) === "purged";
  }

  /** Whether this isolate has begun a purge of one of these tags and not finished it. */
  isDoubted(tags: readonly string[]): boolean {
    return (
      this.#doubted.size > 0 &&
      (this.#doubted.has(EVERYTHING) || tags.some((tag) => this.#doubted.has(tag)))
    );
  }

  /** Those of an old entry's tags of which the view knows nothing. */
  missing(tags: readonly string[]): string[] {
    return tags.filter((tag) => !this.#purges.has(tag) && !this.#lookedUp.has(tag));
  }

  *#held(tags: readonly string[]): Iterable<TagPurge> {
    for (const tag of tags) yield this.#purges.get(tag) ?? this.#lookedUp.get(tag) ?? neverPurged;
  }

  /**
   * Takes, at `now`, the answer of a sync.
   *
   * @returns false for that of a former index, which has lost its storage since: whatever was asked
   *   of it is lost
   */
  sync({ meta, since, purges }: SyncReply, asked: Asked, now: number): boolean {
    const before = this.#meta;
    if (before !== null && before.generation !== meta.generation) {
      if (asked.since?.generation !== before.generation) return false;
      this.#forget();
    } else if (before !== null && meta.seq < this.#known) {
      // Answered before what the view dropped since: it would look as if nothing had been dropped.
      return true;
    }
    if (this.#meta === null || since === null) {
      this.revision += 1;
      // What is older than a cold answer is not held any more; what this isolate purged since then
      // is.
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

  /**
   * What was asked in the future was asked before the clock was set back: nobody can tell how long
   * ago.
   */
  #age(askedAt: number, now: number): void {
    const held = this.#askedAt > now ? Number.NEGATIVE_INFINITY : this.#askedAt;
    this.#askedAt = askedAt > now ? held : Math.max(held, askedAt);
  }

  /** Takes the answer of a look-up. */
  lookUp({ meta, purges }: LookupReply): void {
    // A purge that was dropped after this was answered would be missing in it.
    if (this.#meta === null || meta.generation !== this.#meta.generation || meta.seq < this.#known)
      return;
    // The index may have forgotten since then: what it does not say of a tag, its floor says.
    this.#advance({ ...meta, seq: this.#meta.seq });
    this.revision += 1;
    if (this.#lookedUp.size + purges.length > this.#maxTags) this.#lookedUp.clear();
    for (const [tag, purge] of purges) if (!this.#purges.has(tag)) this.#lookedUp.set(tag, purge);
  }

  /**
   * From now on entries with these tags count as purged, whatever their stamp, until a purge that
   * began after this has succeeded and its answer is held. Somebody else's purge of a tag does not
   * end that: it may be older than the write that this is about.
   *
   * @returns what ends it
   */
  doubt(tags: readonly string[]): () => void {
    this.revision += 1;
    for (const tag of tags) this.#doubted.set(tag, (this.#doubted.get(tag) ?? 0) + 1);
    let settled = false;
    return () => {
      if (settled) return;
      settled = true;
      this.revision += 1;
      for (const tag of tags) {
        const left = (this.#doubted.get(tag) ?? 1) - 1;
        if (left === 0) this.#doubted.delete(tag);
        else this.#doubted.set(tag, left);
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

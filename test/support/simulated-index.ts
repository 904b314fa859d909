import type {
  IndexReply,
  PurgeReply,
  PurgeRequest,
  Stored,
  TagSyncRequest,
} from "../../shared/lib/cache/tags/rules/rpc.ts";
import {
  forgetTags,
  neverPurged,
  purgeAll,
  purgedTag,
  purgeTags,
  type Meta,
  type PurgeMode,
  type TagPurge,
} from "../../shared/lib/cache/tags/rules/sequence.ts";
import type { LookupReply, TagSyncReply } from "../../shared/lib/cache/tags/rules/view.ts";

/** The tag index without its storage: the real sequences. */
export class SimulatedIndex {
  meta: Meta = { generation: "g", seq: 0, floor: 0, softFloor: 0 };
  readonly tags = new Map<string, TagPurge>();
  /** The entries that isolates have registered. */
  readonly stored: Stored[] = [];

  sync(since: number | null): TagSyncReply {
    const newer = [...this.tags].filter(
      ([, { hard, soft }]) => since !== null && Math.max(hard, soft) > since,
    );
    return { meta: this.meta, since, purges: newer };
  }

  lookUp(tags: readonly string[]): LookupReply {
    return { meta: this.meta, purges: tags.map((tag) => [tag, this.tags.get(tag) ?? neverPurged]) };
  }

  purge(tags: readonly string[], mode: PurgeMode): void {
    this.meta = purgeTags(this.meta);
    for (const tag of tags)
      this.tags.set(tag, purgedTag(this.tags.get(tag) ?? neverPurged, mode, this.meta.seq));
  }

  purgeEverything(mode: PurgeMode): void {
    this.meta = purgeAll(this.meta, mode);
  }

  forget(upTo: number): void {
    this.meta = forgetTags(this.meta, upTo);
    for (const [tag, { hard, soft }] of this.tags)
      if (Math.max(hard, soft) <= upTo) this.tags.delete(tag);
  }

  /** It loses its storage: a client of the old one has nothing of this one. */
  lose(): void {
    this.meta = { generation: `${this.meta.generation}'`, seq: 0, floor: 0, softFloor: 0 };
    this.tags.clear();
  }

  answerSync({ since, lookUp = [], stored = [] }: TagSyncRequest): IndexReply {
    this.stored.push(...stored);
    const known = since?.generation === this.meta.generation ? since.seq : null;
    return { ...this.sync(known), lookedUp: this.lookUp(lookUp).purges };
  }

  answerPurge({ since, tags, mode }: PurgeRequest): PurgeReply {
    if (tags === "everything") this.purgeEverything(mode);
    else this.purge(tags, mode);
    return { ...this.answerSync({ since }), pending: 0 };
  }
}

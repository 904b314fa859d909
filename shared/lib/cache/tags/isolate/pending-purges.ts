import { MAX_TAGS_PER_PURGE, type PurgeTags } from "../rules/rpc.ts";
import { RequestRefused } from "./request-refused.ts";

/** `endInvalidation` is called once the index has the purge. */
type PendingPurge = { tags: PurgeTags; endInvalidation: () => void };

/** Hard purges of an isolate that the index does not have yet. */
export class PendingPurges {
  readonly #pending = new Set<PendingPurge>();

  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  add(purge: PendingPurge): void {
    this.#pending.add(purge);
  }

  /**
   * Sends as many purges as one request takes. The rest follows with the next flush. A refused
   * purge will always be refused. So it is dropped, and the purges that were sent with it are sent
   * again one at a time.
   *
   * @param send rejects with `RequestRefused`, or when the index does not answer
   * @throws when the index does not answer
   */
  async flush(send: (tags: PurgeTags) => Promise<unknown>): Promise<void> {
    const isAccepted = async (tags: PurgeTags): Promise<boolean> => {
      try {
        await send(tags);
        return true;
      } catch (error) {
        if (error instanceof RequestRefused) return false;
        throw error;
      }
    };
    const { group, tags } = this.#next();
    if (group.length === 0) return;
    const accepted = await isAccepted(tags);
    for (const purge of group) {
      if (!accepted && group.length > 1) await isAccepted(purge.tags);
      this.#pending.delete(purge);
      purge.endInvalidation();
    }
  }

  #next(): { group: PendingPurge[]; tags: PurgeTags } {
    const group: PendingPurge[] = [];
    const tags = new Set<string>();
    for (const purge of this.#pending) {
      if (purge.tags === "everything")
        return group.length === 0
          ? { group: [purge], tags: "everything" }
          : { group, tags: [...tags] };
      if (group.length > 0 && tags.size + purge.tags.length > MAX_TAGS_PER_PURGE) break;
      group.push(purge);
      for (const tag of purge.tags) tags.add(tag);
    }
    return { group, tags: [...tags] };
  }
}

import { MAX_TAGS_PER_PURGE, type PurgeTags } from "../rules/rpc.ts";
import { RequestRefused } from "./request-refused.ts";

/** `settle` ends that the isolate holds to the purge on its own. */
type Owed = { tags: PurgeTags; settle: () => void };

/** An isolate's own hard purges that have not reached the index. */
export class OwedPurges {
  readonly #owed = new Set<Owed>();

  get isEmpty(): boolean {
    return this.#owed.size === 0;
  }

  add(owed: Owed): void {
    this.#owed.add(owed);
  }

  /**
   * Sends as many as one request takes; the rest goes the next time. What is refused is refused for
   * ever: that must neither keep the syncs that follow nor take along the purges that were sent
   * with it.
   *
   * @param send rejects with `RequestRefused`, or when the index does not answer
   * @throws when the index does not answer
   */
  async pay(send: (tags: PurgeTags) => Promise<unknown>): Promise<void> {
    const isTaken = async (tags: PurgeTags): Promise<boolean> => {
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
    const together = await isTaken(tags);
    for (const owed of group) {
      if (!together && group.length > 1) await isTaken(owed.tags);
      this.#owed.delete(owed);
      owed.settle();
    }
  }

  #next(): { group: Owed[]; tags: PurgeTags } {
    const group: Owed[] = [];
    const tags = new Set<string>();
    for (const owed of this.#owed) {
      if (owed.tags === "everything")
        return group.length === 0
          ? { group: [owed], tags: "everything" }
          : { group, tags: [...tags] };
      if (group.length > 0 && tags.size + owed.tags.length > MAX_TAGS_PER_PURGE) break;
      group.push(owed);
      for (const tag of owed.tags) tags.add(tag);
    }
    return { group, tags: [...tags] };
  }
}

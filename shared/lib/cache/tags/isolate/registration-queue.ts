import { MAX_STORED_PER_SYNC, MAX_TAGS_PER_SYNC, type Stored } from "../rules/rpc.ts";

/**
 * Keys whose registration waits for a sync. More are not registered: KV's own expiry reclaims their
 * space.
 */
const MAX_WAITING = 5_000;
/**
 * Text of one sync, in UTF-16 units: at most 1.5 MB. The object binds it as one value, of which
 * SQLite in workerd takes 2.2 MB (`SQLITE_LIMIT_LENGTH`).
 */
const MAX_LENGTH = 500_000;
/** What an entry has besides its key and tags. */
const OVERHEAD = 100;

/** What was put into KV, until the index has heard of it. */
export class StoredQueue {
  #waiting: Stored[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** @returns whether it waits now: one that no sync takes, or that is too many, does not */
  add(entry: Stored): boolean {
    if (
      this.#waiting.length >= MAX_WAITING ||
      entry.tags.length > MAX_TAGS_PER_SYNC ||
      lengthOf(entry) > MAX_LENGTH
    )
      return false;
    this.#waiting.push(entry);
    return true;
  }

  /** As many as one sync takes. */
  take(): Stored[] {
    let [count, length] = [0, 0];
    for (const entry of this.#waiting.slice(0, MAX_STORED_PER_SYNC)) {
      length += lengthOf(entry);
      if (length > MAX_LENGTH) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Those of a sync that was not answered. */
  putBack(stored: Stored[]): void {
    this.#waiting.unshift(...stored.slice(0, MAX_WAITING - this.#waiting.length));
  }
}

function lengthOf({ key, tags }: Stored): number {
  return tags.reduce((sum, tag) => sum + tag.length + 3, key.length + OVERHEAD);
}

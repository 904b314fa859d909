import { MAX_STORED_PER_SYNC, MAX_TAGS_PER_SYNC, type Stored } from "../rules/rpc.ts";

/**
 * At most so many registrations wait for a sync. Further keys are not registered: KV's own expiry
 * reclaims their space.
 */
const MAX_WAITING = 5_000;
/**
 * The text of one sync in UTF-16 units, which is at most 1.5 MB. The object binds it as one value,
 * and SQLite in workerd takes values of up to 2.2 MB (`SQLITE_LIMIT_LENGTH`).
 */
const MAX_LENGTH = 500_000;
/** Of an entry, for all but its key and tags. */
const OVERHEAD = 100;

/** Entries that were written to KV and that the index does not know yet. */
export class RegistrationQueue {
  #waiting: Stored[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** @returns false if the queue is full, or the entry is too large for any sync */
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

  /** Removes and returns as many as one sync takes. */
  take(): Stored[] {
    let count = 0;
    let length = 0;
    for (const entry of this.#waiting.slice(0, MAX_STORED_PER_SYNC)) {
      length += lengthOf(entry);
      if (length > MAX_LENGTH) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Adds the entries of a failed sync again. */
  putBack(stored: Stored[]): void {
    this.#waiting.unshift(...stored.slice(0, MAX_WAITING - this.#waiting.length));
  }
}

function lengthOf({ key, tags }: Stored): number {
  return tags.reduce((sum, tag) => sum + tag.length + 3, key.length + OVERHEAD);
}

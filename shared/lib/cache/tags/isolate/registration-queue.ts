import { groupsWithin, sizeOf } from "../../../base/sizes.ts";
import { isTag } from "../rules/names.ts";
import { MAX_STORED_PER_SYNC, MAX_TAGS_PER_SYNC, type Stored } from "../rules/rpc.ts";

/**
 * At most so many registrations wait for a sync. Further keys are not registered: KV's own expiry
 * reclaims their space.
 */
const MAX_WAITING = 5_000;
/** One sync registers so many: the object answers no other request while it stores them. */
const MAX_REGISTRATION = { count: MAX_STORED_PER_SYNC, bytes: 500_000 };

/** Entries that were written to KV and that the index does not know yet. */
export class RegistrationQueue {
  #waiting: Stored[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * @returns false if the queue is full, or no sync takes the entry: it is too large, or the index
   *   would refuse one of its names
   */
  add(entry: Stored): boolean {
    if (
      this.#waiting.length >= MAX_WAITING ||
      entry.tags.length > MAX_TAGS_PER_SYNC ||
      sizeOf([entry]).bytes > MAX_REGISTRATION.bytes ||
      ![entry.key, ...entry.tags].every(isTag)
    )
      return false;
    this.#waiting.push(entry);
    return true;
  }

  /** Removes and returns as many as one sync takes. */
  take(): Stored[] {
    const next = this.#waiting.slice(0, MAX_STORED_PER_SYNC);
    const [group = []] = groupsWithin(next, MAX_REGISTRATION);
    return this.#waiting.splice(0, group.length);
  }

  /** Adds the entries of a failed sync again. */
  putBack(stored: Stored[]): void {
    this.#waiting.unshift(...stored.slice(0, MAX_WAITING - this.#waiting.length));
  }
}

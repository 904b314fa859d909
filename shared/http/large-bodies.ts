import { HeldBytes, type Hold } from "../lib/base/held-bytes.ts";

/**
 * Room in the memory of this isolate, which has 128 MB, for the bodies of large requests. Each is
 * there several times while it is read, checked and stored.
 */

/** A body of at most so many bytes needs no room. */
const SMALL_BYTES = 1_048_576;
/** All large bodies together. */
const MAX_HELD_BYTES = 8_388_608;
/** How long a request waits for the others, and how often it looks. */
const WAIT_MS = 10_000;
const LOOK_MS = 50;
/** A request that runs for longer was cancelled. */
const HELD_FOR_MS = 120_000;

const held = new HeldBytes();

const hasRoom = (bytes: number): boolean => {
  const others = held.total(Date.now());
  return others === 0 || others + bytes <= MAX_HELD_BYTES;
};

/** What one request holds, until `release`. */
export class BodyRoom {
  #hold: Hold | null = null;

  /**
   * Waits until other large bodies leave room for this one.
   *
   * @returns false if they did not within ten seconds
   */
  async take(bytes: number): Promise<boolean> {
    if (bytes <= SMALL_BYTES || this.#hold !== null) return true;
    // An isolate must not await a promise of another request: it looks again instead.
    for (let waited = 0; !hasRoom(bytes); waited += LOOK_MS) {
      if (waited >= WAIT_MS) return false;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    this.#hold = held.take(bytes, Date.now() + HELD_FOR_MS);
    return true;
  }

  release(): void {
    if (this.#hold !== null) held.release(this.#hold);
    this.#hold = null;
  }
}

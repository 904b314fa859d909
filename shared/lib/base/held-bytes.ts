export type Hold = { bytes: number; until: number };

/**
 * What all invocations of an isolate hold in memory at once. An invocation that is cancelled runs
 * nothing more, so what it held counts only until the time that it named.
 */
export class HeldBytes {
  readonly #holds = new Set<Hold>();

  /** @param now milliseconds since the epoch */
  total(now: number): number {
    let sum = 0;
    for (const hold of this.#holds) {
      if (hold.until > now) sum += hold.bytes;
      else this.#holds.delete(hold);
    }
    return sum;
  }

  /** @param until the latest time at which its invocation can still run */
  take(bytes: number, until: number): Hold {
    const hold = { bytes, until };
    this.#holds.add(hold);
    return hold;
  }

  release(hold: Hold): void {
    this.#holds.delete(hold);
  }
}

import { elapsedMs, type Clock } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";
import type { Load, LoadOutcome } from "./load.ts";

/** The loads that are under way, at most one per key. Concurrent reads of a key share it. */
export class InFlightLoads {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #loads = new Map<string, Load>();

  /** @param timeoutMs no read joins a load that is older: its request may have died */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The load that a read of the key may join. */
  find(key: string): Load | null {
    const load = this.#loads.get(key);
    if (load === undefined) return null;
    return elapsedMs(load.startedAt, this.#clock.now()) < this.#timeoutMs ? load : null;
  }

  /** Keeps a load until it ends. */
  add(key: string, load: Load): void {
    this.#loads.set(key, load);
    const remove = (): void => {
      if (this.#loads.get(key) === load) this.#loads.delete(key);
    };
    load.outcome.then(remove, remove);
  }

  /** Awaits a load until its time is over. @returns null if it has not ended by then */
  async awaitLoad(load: Load): Promise<LoadOutcome<unknown> | null> {
    const leftMs = Math.max(this.#timeoutMs - elapsedMs(load.startedAt, this.#clock.now()), 0);
    return await within(leftMs, load.outcome, this.#clock).catch(() => null);
  }
}

import { elapsedMs, type Clock } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";

/**
 * What many readers of a key wait for together. `begun` orders it among the reads of this isolate.
 */
export type Flight<Landing, Progress> = {
  begun: number;
  startedAt: number;
  progress: Progress;
  work: Promise<Landing>;
};

/** One flight a key: those who come while it is under way join it. */
export class Flights<Landing, Progress> {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #flights = new Map<string, Flight<Landing, Progress>>();

  /**
   * @param timeoutMs one that takes longer is not joined any more: the request that leads it may
   * have died
   */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The flight to join, if there is one. */
  at(key: string): Flight<Landing, Progress> | null {
    const flight = this.#flights.get(key);
    if (flight === undefined) return null;
    return elapsedMs(flight.startedAt, this.#clock.now()) < this.#timeoutMs ? flight : null;
  }

  start(key: string, flight: Flight<Landing, Progress>): void {
    this.#flights.set(key, flight);
    const end = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.work.then(end, end);
  }

  /** Waits for a flight, as long as it may take. @returns null when that is over */
  async land(flight: Flight<Landing, Progress>): Promise<Landing | null> {
    const leftMs = Math.max(this.#timeoutMs - elapsedMs(flight.startedAt, this.#clock.now()), 0);
    return await within(leftMs, flight.work, this.#clock).catch(() => null);
  }
}

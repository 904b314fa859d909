import type { VirtualClock } from "../../test/support/virtual-clock.ts";

/** What Cloudflare states of one Durable Object; not measured here. */
export const REQUESTS_PER_SECOND = 1_000;
/**
 * What would wait longer is refused, as an object that is overloaded does. For how long the
 * platform lets them wait it does not document.
 */
const MAX_WAIT_MS = 10_000;

/** A Durable Object as a queue: one request after another, each of which takes its time. */
export class ObjectQueue {
  refused = 0;
  /** Of each request that was answered, in milliseconds. */
  readonly waits: number[] = [];
  readonly #clock: VirtualClock;
  readonly #serviceMs: number;
  #freeAt = 0;

  constructor(clock: VirtualClock, requestsPerSecond: number) {
    this.#clock = clock;
    this.#serviceMs = 1_000 / requestsPerSecond;
  }

  turn = async (): Promise<void> => {
    const now = this.#clock.now();
    const startsAt = Math.max(now, this.#freeAt);
    if (startsAt - now > MAX_WAIT_MS) {
      this.refused += 1;
      throw new Error("Durable Object is overloaded.");
    }
    this.#freeAt = startsAt + this.#serviceMs;
    await this.#clock.sleep(this.#freeAt - now);
    this.waits.push(startsAt - now);
  };
}

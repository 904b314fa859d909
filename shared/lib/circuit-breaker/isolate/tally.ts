/** Takes the outcome of a call that was admitted while the breaker was closed. */
export type Outcomes = { success(): void; failure(): void };

/**
 * What an isolate counts between two reports, for calls that were admitted under one epoch. A call
 * keeps the tally that it began with. So an outcome that comes after the epoch has changed is
 * dropped.
 */
export class Tally implements Outcomes {
  /** The epoch of these calls. Null until the object's first reply. */
  epoch: number | null;
  failures = 0;
  calls = 0;
  readonly #onFailure: () => void;

  constructor(epoch: number | null, onFailure: () => void) {
    this.epoch = epoch;
    this.#onFailure = onFailure;
  }

  success(): void {
    this.calls += 1;
  }

  failure(): void {
    this.failures += 1;
    this.calls += 1;
    this.#onFailure();
  }

  /** A cold call failed. The object counted the call when it began, so only the failure is new. */
  coldFailure(): void {
    this.failures += 1;
    this.#onFailure();
  }

  /** A cold call does not count after all: takes back what the object counted when it began. */
  coldIgnored(): void {
    this.calls -= 1;
  }

  /** Empties the tally. */
  drain(): { failures: number; calls: number } {
    const { failures, calls } = this;
    this.failures = 0;
    this.calls = 0;
    return { failures, calls };
  }
}

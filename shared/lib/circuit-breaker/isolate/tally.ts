/** Where the outcome of a call that was admitted while closed goes. */
export type Outcomes = { success(): void; failure(): void };

/**
 * What an isolate counts between two reports, for the calls that were admitted under one epoch. A
 * call keeps the tally it began with, so an outcome that arrives after the epoch has changed lands
 * where nobody looks any more.
 */
export class Tally implements Outcomes {
  /** Null until the first answer of the object says under which epoch these calls run. */
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

  /** Of a call that the object counted when it began: only a failure is news. */
  coldFailure(): void {
    this.failures += 1;
    this.#onFailure();
  }

  /** The object counted it when it began, and it does not count after all. */
  coldIgnored(): void {
    this.calls -= 1;
  }

  /** Empties the tally. */
  take(): { failures: number; calls: number } {
    const { failures, calls } = this;
    this.failures = 0;
    this.calls = 0;
    return { failures, calls };
  }
}

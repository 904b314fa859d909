import type { Clock } from "../../base/clock.ts";
import { failureText } from "../rules/failure-text.ts";
import type { Ended } from "./executor.ts";
import { Pause } from "./pause.ts";

/** Takes the outcome of a call that was admitted while the breaker was closed. */
export type Outcomes = {
  success(): void;
  /** The call succeeded after too long a time. */
  slow(): void;
  /** @param retryAfterMs what the dependency asked callers to wait, 0 if nothing */
  failure(error: unknown, retryAfterMs: number): void;
};

/** What a tally counted between two reports. `after`: from the first failed or slow call on. */
export type Drained = {
  failures: number;
  calls: number;
  after: number;
  held: number;
  slow: number;
  retryAfterMs: number;
};

/**
 * What an isolate counts between two reports, for calls that were admitted under one epoch. A call
 * keeps the tally that it began with. So an outcome that comes after the epoch has changed is
 * dropped.
 */
export class Tally implements Outcomes {
  /** The epoch of these calls. Null until the object's first reply. */
  epoch: number | null;
  failures = 0;
  /** A success only raises this: the calls that succeed are nearly all. */
  calls = 0;
  slowCalls = 0;
  held = 0;
  /** The text of the last failure since the last report. */
  lastError: string | null = null;
  /** Failures without another outcome in between, and when the first of them was. */
  inARow = 0;
  rowSince = 0;
  readonly pause = new Pause();
  readonly #onEvidence: (tally: Tally) => void;
  readonly #clock: Clock;
  /** `calls` at the first failed or slow call, and after the last failed one. */
  #before = 0;
  #rowEnd = -1;
  #retryAfterMs = 0;

  constructor(epoch: number | null, clock: Clock, onEvidence: (tally: Tally) => void) {
    this.epoch = epoch;
    this.#clock = clock;
    this.#onEvidence = onEvidence;
  }

  /** Whether there is something to report at once. */
  get hasEvidence(): boolean {
    return this.failures + this.slowCalls + this.held > 0;
  }

  success(): void {
    this.calls += 1;
  }

  slow(): void {
    this.#noteFirst();
    this.calls += 1;
    this.slowCalls += 1;
    this.#onEvidence(this);
  }

  failure(error: unknown, retryAfterMs = 0): void {
    this.#noteFirst();
    this.#extendRow();
    this.calls += 1;
    this.#rowEnd = this.calls;
    this.#failed(error, retryAfterMs);
  }

  /** A cold call failed. The object counted the call when it began, so only the failure is new. */
  coldFailure(error: unknown, retryAfterMs = 0): void {
    this.#noteFirst();
    this.#extendRow();
    this.#rowEnd = this.calls;
    this.#failed(error, retryAfterMs);
  }

  /** A cold call was slow. The object counted the call when it began. */
  coldSlow(): void {
    this.#noteFirst();
    this.slowCalls += 1;
    this.#onEvidence(this);
  }

  /** A cold call does not count after all: takes back what the object counted when it began. */
  coldIgnored(): void {
    this.calls -= 1;
    this.#before -= 1;
    this.#rowEnd -= 1;
  }

  /** A call did not run, since the isolate pauses. */
  hold(): void {
    this.held += 1;
    this.#onEvidence(this);
  }

  /** Empties the tally. */
  drain(): Drained {
    const { failures, calls, held, slowCalls: slow } = this;
    const bad = failures + slow;
    const after = bad === 0 ? 0 : Math.max(calls - this.#before, bad);
    const drained = { failures, calls, after, held, slow, retryAfterMs: this.#retryAfterMs };
    this.#rowEnd -= calls;
    this.failures = 0;
    this.calls = 0;
    this.slowCalls = 0;
    this.held = 0;
    this.lastError = null;
    this.#retryAfterMs = 0;
    return drained;
  }

  #noteFirst(): void {
    if (this.failures + this.slowCalls === 0) this.#before = this.calls;
  }

  #extendRow(): void {
    const isFirst = this.inARow === 0 || this.calls !== this.#rowEnd;
    if (isFirst) this.rowSince = this.#clock.now();
    this.inARow = isFirst ? 1 : this.inARow + 1;
  }

  #failed(error: unknown, retryAfterMs: number): void {
    this.failures += 1;
    this.lastError = failureText(error);
    this.#retryAfterMs = Math.max(this.#retryAfterMs, retryAfterMs);
    this.#onEvidence(this);
  }
}

/** Counts how a call ended. */
export function note({ outcome, error, retryAfterMs }: Ended, outcomes: Outcomes): void {
  switch (outcome) {
    case "success":
      return outcomes.success();
    case "slow":
      return outcomes.slow();
    case "failure":
      return outcomes.failure(error, retryAfterMs);
    case "ignored":
  }
}

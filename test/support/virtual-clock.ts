import TinyQueue from "tinyqueue";
import type { Clock } from "../../shared/lib/base/clock.ts";

/** `done` is null once it has fired or is not to. */
type Timer = { at: number; order: number; done: (() => void) | null };

/**
 * A clock that only moves when a test moves it. What a timer sets off has run before the next one
 * fires.
 */
export class VirtualClock implements Clock {
  #now: number;
  /** Timers go by this: a clock that is set back does not stop them. */
  #elapsed = 0;
  /**
   * In the order in which they fire. A fleet has tens of thousands at a time; those that are
   * cancelled go when their time comes.
   */
  readonly #timers = new TinyQueue<Timer>(
    [],
    (one, other) => one.at - other.at || one.order - other.order,
  );
  #order = 0;
  #pending = 0;

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#pending;
  }

  after(ms: number, done: () => void): () => void {
    const timer: Timer = { at: this.#elapsed + ms, order: (this.#order += 1), done };
    this.#timers.push(timer);
    this.#pending += 1;
    return () => void this.#end(timer);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Lets time pass, with everything that happens meanwhile. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    await settle();
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.at > until) break;
      const { at } = next;
      this.#move(at - this.#elapsed);
      // Those that are due at the same moment fire together: nothing has happened in between.
      for (let due = this.#next(); due?.at === at; due = this.#next()) this.#end(due)?.();
      await settle();
    }
    this.#move(until - this.#elapsed);
  }

  setBack(ms: number): void {
    this.#now -= ms;
  }

  /** The first that has not been cancelled. */
  #next(): Timer | undefined {
    while (this.#timers.peek()?.done === null) this.#timers.pop();
    return this.#timers.peek();
  }

  #end(timer: Timer): Timer["done"] {
    const { done } = timer;
    if (done !== null) this.#pending -= 1;
    timer.done = null;
    return done;
  }

  #move(ms: number): void {
    this.#elapsed += ms;
    this.#now += ms;
  }
}

/** Every promise that can settle now has. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

import type { Clock } from "../../shared/clock.ts";

type Timer = { at: number; done: () => void };

/** A clock that only moves when told to. Whatever a timer sets off has run before the next one fires. */
export class VirtualClock implements Clock {
  #now: number;
  /** Timers go by this: a clock that is set back does not stop them. */
  #elapsed = 0;
  /** In the order in which they fire. */
  #timers: Timer[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.length;
  }

  after(ms: number, done: () => void): () => void {
    const timer = { at: this.#elapsed + ms, done };
    const before = this.#timers.findLastIndex(({ at }) => at <= timer.at);
    this.#timers.splice(before + 1, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Lets time pass, with everything that happens meanwhile. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    await settle();
    for (;;) {
      const [next] = this.#timers;
      if (next === undefined || next.at > until) break;
      this.#move(next.at - this.#elapsed);
      // Those that are due at the same moment fire together: nothing has happened in between.
      while (this.#timers[0]?.at === next.at) this.#timers.shift()?.done();
      await settle();
    }
    this.#move(until - this.#elapsed);
  }

  setBack(ms: number): void {
    this.#now -= ms;
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

import type { BreakerSettings } from "../../shared/lib/circuit-breaker/rules/settings.ts";
import {
  addToWindow,
  countWindow,
  emptyWindow,
  type Window,
} from "../../shared/lib/circuit-breaker/rules/window.ts";
import type { VirtualClock } from "../../test/support/virtual-clock.ts";

type State =
  | { is: "closed"; window: Window }
  | { is: "open"; until: number; reopens: number }
  | { is: "half-open"; reopens: number };

const MAX_OPEN_MS = 300_000;

/**
 * The baseline, a breaker of one isolate as libraries have it: it opens if enough calls of a window
 * fail, one probe closes it, and each failed probe doubles the open time, up to five minutes.
 */
export class WindowBreaker {
  readonly #clock: VirtualClock;
  readonly #settings: BreakerSettings;
  #state: State = { is: "closed", window: emptyWindow };
  #generation = 0;

  constructor(clock: VirtualClock, settings: BreakerSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  get isClosed(): boolean {
    return this.#state.is === "closed";
  }

  /** @returns how the call has to end, or how long the breaker is still open */
  admit(): { rejectedForMs: number } | { end: (succeeded: boolean) => void } {
    const state = this.#state;
    const now = this.#clock.now();
    const generation = this.#generation;
    if (state.is === "closed")
      return { end: (succeeded) => generation === this.#generation && this.#count(succeeded) };
    const leftMs = state.is === "half-open" ? 1 : state.until - now;
    if (leftMs > 0) return { rejectedForMs: leftMs };
    const { reopens } = state;
    this.#become({ is: "half-open", reopens });
    return {
      end: (succeeded) => {
        if (succeeded) this.#become({ is: "closed", window: emptyWindow });
        else this.#open(reopens + 1);
      },
    };
  }

  #count(succeeded: boolean): void {
    const { windowMs, failures, failureRatio } = this.#settings;
    const now = this.#clock.now();
    if (this.#state.is !== "closed") return;
    const one = { failures: succeeded ? 0 : 1, calls: 1, slow: 0, held: 0 };
    const window = addToWindow(this.#state.window, one, windowMs, now);
    this.#state = { is: "closed", window };
    const counted = countWindow(window, windowMs, now);
    const tripped =
      counted.failures >= failures && counted.failures >= failureRatio * counted.calls;
    if (!succeeded && tripped) this.#open(0);
  }

  #open(reopens: number): void {
    const openMs = Math.min(this.#settings.openMs * 2 ** reopens, MAX_OPEN_MS);
    this.#become({ is: "open", until: this.#clock.now() + openMs, reopens });
  }

  #become(state: State): void {
    this.#state = state;
    this.#generation += 1;
  }
}

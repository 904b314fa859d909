import type { Clock } from "../../base/clock.ts";
import { snapshot, type Breaker, type Snapshot } from "../rules/phase.ts";
import type { BreakerSettings } from "../rules/settings.ts";
import { decide, type Event } from "../rules/state.ts";
import type { Ended } from "./executor.ts";
import { probeOutcome } from "./probe-outcome.ts";
import type { Outcomes } from "./tally.ts";

/** A breaker of one isolate, under the fleet's rules. Used while the object does not answer. */
export class LocalBreaker {
  #breaker: Breaker;
  readonly #settings: BreakerSettings;
  readonly #clock: Clock;

  constructor(breaker: Breaker, settings: BreakerSettings, clock: Clock) {
    this.#breaker = breaker;
    // The calls of one isolate overload no dependency, so that they need no ramp.
    this.#settings = { ...settings, rampShare: 1 };
    this.#clock = clock;
  }

  get snapshot(): Snapshot {
    return snapshot(this.#breaker, this.#settings, this.#clock.now());
  }

  /** @returns whether the call may probe */
  acquire(id: string, lastsMs: number): boolean {
    return this.#apply({ type: "acquire", id, lastsMs, cold: false });
  }

  /** Takes the outcome of a call that is admitted now. It counts only under the present epoch. */
  outcomes(): Outcomes {
    const { epoch } = this.#breaker;
    const report = (counts: { failures: number; slow?: number; retryAfterMs?: number }): void =>
      void this.#apply({ type: "report", epoch, calls: 1, ...counts });
    return {
      success: () => report({ failures: 0 }),
      slow: () => report({ failures: 0, slow: 1 }),
      failure: (_, retryAfterMs) => report({ failures: 1, retryAfterMs }),
    };
  }

  endProbe(permitId: string, { outcome, retryAfterMs }: Ended): void {
    this.#apply({ type: "probe-ended", permitId, outcome: probeOutcome(outcome), retryAfterMs });
  }

  #apply(event: Event): boolean {
    const { breaker, granted } = decide(this.#breaker, event, this.#settings, this.#clock.now());
    this.#breaker = breaker;
    return granted;
  }
}

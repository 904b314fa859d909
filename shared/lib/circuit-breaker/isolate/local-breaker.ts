import type { Clock } from "../../base/clock.ts";
import { snapshot, type Breaker, type Snapshot } from "../rules/phase.ts";
import type { BreakerSettings } from "../rules/settings.ts";
import { decide, type Event, type ProbeOutcome } from "../rules/state.ts";
import type { Outcomes } from "./tally.ts";

/** A breaker of one isolate, under the fleet's rules. Used while the object does not answer. */
export class LocalBreaker {
  #breaker: Breaker;
  readonly #settings: BreakerSettings;
  readonly #clock: Clock;

  constructor(breaker: Breaker, settings: BreakerSettings, clock: Clock) {
    this.#breaker = breaker;
    this.#settings = settings;
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
    const report = (failures: number): void =>
      void this.#apply({ type: "report", epoch, failures, calls: 1 });
    return { success: () => report(0), failure: () => report(1) };
  }

  endProbe(permitId: string, outcome: ProbeOutcome): void {
    this.#apply({ type: "probe-ended", permitId, outcome });
  }

  #apply(event: Event): boolean {
    const { breaker, granted } = decide(this.#breaker, event, this.#settings, this.#clock.now());
    this.#breaker = breaker;
    return granted;
  }
}

import type { GuardedCall } from "../../shared/lib/circuit-breaker/isolate/bounded-call.ts";
import { CircuitOpen } from "../../shared/lib/circuit-breaker/isolate/circuit-open.ts";
import type { BreakerSettings } from "../../shared/lib/circuit-breaker/rules/settings.ts";
import { isolate, selfTiming, type SimulatedObject } from "../../test/support/fleet.ts";
import type { VirtualClock } from "../../test/support/virtual-clock.ts";
import { WindowBreaker } from "./window-breaker.ts";

/**
 * One isolate's guarded way to the dependency. `isProbing`: whether what would run now is a probe;
 * `isLocal`: whether it goes by its own breaker.
 */
export type Guarded = {
  run(operation: GuardedCall<null>): Promise<null | CircuitOpen>;
  isProbing(): boolean;
  isLocal(): boolean;
};

/** The fleet's breaker: the real client and breaker, and the object's real decisions. */
export function ofTheFleet(object: SimulatedObject, random: () => number): Guarded {
  const client = isolate(object, { policy: selfTiming, random });
  return {
    run: async (operation) => await client.run(operation),
    isProbing: () => client.admission().do !== "allow",
    isLocal: () => client.breaker.local !== null,
  };
}

/** The baseline: each isolate has a breaker of its own, and they share nothing. */
export function ofItsOwn(clock: VirtualClock, settings: BreakerSettings): Guarded {
  const breaker = new WindowBreaker(clock, settings);
  return {
    async run(operation) {
      const admitted = breaker.admit();
      if ("rejectedForMs" in admitted) return new CircuitOpen("test", admitted.rejectedForMs);
      try {
        const value = await operation(undefined);
        admitted.end(true);
        return value;
      } catch (error) {
        admitted.end(false);
        throw error;
      }
    },
    isProbing: () => !breaker.isClosed,
    isLocal: () => true,
  };
}

import type { GuardedCall } from "../../shared/lib/circuit-breaker/isolate/bounded-call.ts";
import { CircuitOpen } from "../../shared/lib/circuit-breaker/isolate/circuit-open.ts";
import { LocalBreaker } from "../../shared/lib/circuit-breaker/isolate/local-breaker.ts";
import { initialBreaker } from "../../shared/lib/circuit-breaker/rules/phase.ts";
import type { BreakerSettings } from "../../shared/lib/circuit-breaker/rules/settings.ts";
import { isolate, selfTiming, type SimulatedObject } from "../../test/support/fleet.ts";
import type { VirtualClock } from "../../test/support/virtual-clock.ts";

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

/**
 * The baseline: each isolate runs the same state machine with the same settings for itself and
 * shares nothing.
 */
export function ofItsOwn(clock: VirtualClock, settings: BreakerSettings): Guarded {
  const breaker = new LocalBreaker(initialBreaker, settings, clock);
  const permitMs = 2 * selfTiming.timeoutMs;
  let probes = 0;
  return {
    async run(operation) {
      const id = `probe-${(probes += 1)}`;
      const { state, retryAfterMs } = breaker.snapshot;
      const isProbe = state !== "CLOSED" && breaker.acquire(id, permitMs);
      if (!isProbe && state !== "CLOSED") return new CircuitOpen("test", retryAfterMs);
      const outcomes = isProbe
        ? {
            success: () => breaker.endProbe(id, "success"),
            failure: () => breaker.endProbe(id, "failure"),
          }
        : breaker.outcomes();
      try {
        const value = await operation(undefined);
        outcomes.success();
        return value;
      } catch (error) {
        outcomes.failure();
        throw error;
      }
    },
    isProbing: () => breaker.snapshot.state !== "CLOSED",
    isLocal: () => true,
  };
}

import { expect } from "vitest";
import { CircuitOpen } from "../../shared/lib/circuit-breaker/isolate/circuit-open.ts";
import type { BreakerClient } from "../../shared/lib/circuit-breaker/isolate/client.ts";
import { failing, isolate, succeed, type SimulatedObject } from "./fleet.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Calls of simulated isolates. Each call reads `fleet`, since each test has its own. */
export function breakerCalls(fleet: () => { clock: VirtualClock; object: SimulatedObject }) {
  return {
    /** Runs a call. @returns how it ended */
    async ending(
      client: BreakerClient,
      operation: () => Promise<unknown>,
      options?: Parameters<BreakerClient["run"]>[1],
    ) {
      const ended = client.run(operation, options).then(
        (value) => (value instanceof CircuitOpen ? value : "success"),
        (error: unknown) => (error instanceof Error ? error.name : String(error)),
      );
      await fleet().clock.advance(0);
      return ended;
    },
    /** An isolate that has a snapshot. */
    async warm(): Promise<BreakerClient> {
      const client = isolate(fleet().object);
      void client.run(succeed);
      await fleet().clock.advance(50);
      return client;
    },
    async openedBy(...clients: BreakerClient[]): Promise<void> {
      // At least half of the calls, of which each isolate has made one.
      for (let n = 0; n < Math.max(5, clients.length); n += 1) {
        const client = clients[n % clients.length];
        if (client !== undefined) await client.run(failing).catch(() => undefined);
      }
      await fleet().clock.advance(200);
      expect(fleet().object.snapshot.state).toBe("OPEN");
    },
  };
}

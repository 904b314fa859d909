import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { breakerCalls } from "../../../../test/support/breaker-calls.ts";
import { failing, SimulatedObject, succeed } from "../../../../test/support/fleet.ts";
import { runs } from "../../../../test/support/seed.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { CircuitOpen } from "./circuit-open.ts";
import type { BreakerClient } from "./client.ts";
import { Pause } from "./pause.ts";

let clock: VirtualClock;
let object: SimulatedObject;
beforeEach(() => {
  clock = new VirtualClock();
  object = new SimulatedObject(clock);
});
const { ending, warm } = breakerCalls(() => ({ clock, object }));

/** A busy fleet, of which one isolate is cut off: its calls fail for three seconds. */
async function cutOff(): Promise<BreakerClient> {
  const client = await warm();
  for (let second = 0; second < 60; second += 1) {
    object.apply({ type: "report", epoch: 1, failures: 0, calls: 100, overMs: 1_000 });
    await clock.advance(1_000);
  }
  await ending(client, succeed);
  await clock.advance(200);
  for (let n = 0; n < 30; n += 1) {
    await ending(client, failing);
    await clock.advance(100);
  }
  return client;
}

describe("an isolate whose last calls all failed for two seconds", () => {
  it("holds its calls back, while the breaker stays closed for the fleet", async () => {
    const client = await cutOff();
    expect(object.snapshot.state).toBe("CLOSED");
    const held = await ending(client, succeed);
    expect(held).toBeInstanceOf(CircuitOpen);
    expect(client.admission()).toMatchObject({ do: "reject" });
  });

  it("tries with one call after 5 s, and calls again as before once that succeeds", async () => {
    const client = await cutOff();
    await clock.advance(5_000);
    expect(client.admission()).toEqual({ do: "probe" });
    expect(await ending(client, succeed)).toBe("success");
    expect(await ending(client, succeed)).toBe("success");
    expect(client.admission()).toMatchObject({ do: "allow" });
  });

  it("pauses for 10, 20 and 30 s after calls that failed in vain", async () => {
    const client = await cutOff();
    let waitMs = 5_000;
    for (const next of [10_000, 20_000, 30_000, 30_000]) {
      await clock.advance(waitMs);
      expect(await ending(client, failing)).toBe("Error");
      await clock.advance(next - 1_000);
      expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
      waitMs = 1_000;
    }
  });

  it("reports held calls about once per second, which count as failures of the fleet", async () => {
    const client = await cutOff();
    const before = object.requests;
    for (let n = 0; n < 40; n += 1) {
      await ending(client, succeed);
      await clock.advance(100);
    }
    expect(object.requests - before).toBeLessThanOrEqual(7);
    const { phase } = object.memory;
    const held = phase.state === "CLOSED" ? phase.window.map((slot) => slot.held) : [];
    expect(Math.max(...held)).toBeGreaterThan(20);
  });

  it("stops pausing with a new epoch: an operator's reset ends it within one renewal", async () => {
    const client = await cutOff();
    object.command({ do: "reset" });
    await client.refresh(1_000).catch(() => undefined);
    await clock.advance(6_000);
    await ending(client, succeed);
    await clock.advance(200);
    expect(await ending(client, succeed)).toBe("success");
  });

  it("does not pause while an operator keeps the breaker closed", async () => {
    object.command({ do: "close" });
    const client = await warm();
    for (let n = 0; n < 40; n += 1) {
      await ending(client, failing);
      await clock.advance(100);
    }
    expect(await ending(client, succeed)).toBe("success");
  });
});

it(`a pause ends within 30 s, also if the clock is set back (${runs} runs)`, () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("begin" as const), retryAfterMs: fc.nat(100_000) }),
    fc.record({ do: fc.constant("try" as const), timeoutMs: fc.nat(400_000) }),
    fc.record({
      do: fc.constant("wait" as const),
      ms: fc.integer({ min: -3_600_000, max: 40_000 }),
    }),
    fc.record({ do: fc.constant("end" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const pause = new Pause();
      let now = 1_700_000_000_000;
      for (const one of steps) {
        if (one.do === "begin") pause.begin(now, one.retryAfterMs);
        if (one.do === "try") pause.try(now, one.timeoutMs);
        if (one.do === "wait") now += one.ms;
        if (one.do === "end") pause.end();
        const leftMs = pause.leftMs(now);
        expect(leftMs).toBeGreaterThanOrEqual(0);
        expect(leftMs).toBeLessThanOrEqual(30_000);
      }
    }),
    { numRuns: runs },
  );
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { breakerCalls } from "../../../../test/support/breaker-calls.ts";
import {
  DependencyDown,
  failing,
  rejections,
  SimulatedObject,
  succeed,
} from "../../../../test/support/fleet.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { CircuitOpen } from "./circuit-open.ts";

let clock: VirtualClock;
let object: SimulatedObject;
beforeEach(() => {
  clock = new VirtualClock();
  object = new SimulatedObject(clock);
});
afterEach(() => expect(rejections.splice(0)).toEqual([]));

const { ending, warm, openedBy } = breakerCalls(() => ({ clock, object }));

describe("outcomes from before", () => {
  it("a late failure neither opens nor extends, and a late success never closes", async () => {
    const client = await warm();
    const ends: ((ok: boolean) => void)[] = [];
    const slow = (): Promise<string> =>
      new Promise((resolve, reject) =>
        ends.push((ok) => (ok ? resolve("value") : reject(new DependencyDown("late")))),
      );
    const calls = Promise.allSettled(Array.from({ length: 20 }, () => client.run(slow)));
    await clock.advance(0);
    object.command({ do: "open", forMs: 600_000 });
    await clock.advance(4_000);
    for (const end of ends.slice(0, 10)) end(true);
    await clock.advance(500);
    object.command({ do: "reset" });
    for (const end of ends.slice(10)) end(false);
    await calls;
    await clock.advance(10_000);
    await client.run(succeed);
    await clock.advance(100);
    expect(object.transitions.map(({ cause }) => cause)).toEqual(["open", "reset"]);
    expect(object.snapshot.state).toBe("CLOSED");
  });

  it("an answer that was overtaken does not replace the snapshot", async () => {
    const client = await warm();
    await clock.advance(5_000);
    object.latencyMs = 1_800;
    void client.run(succeed);
    await clock.advance(1_000);
    // The renewal was answered CLOSED and is on its way back; a report that leaves later is back
    // before it.
    object.command({ do: "open", forMs: null });
    object.latencyMs = 20;
    await client.run(failing).catch(() => undefined);
    await clock.advance(200);
    expect(client.breaker.held?.snapshot.state).toBe("OPEN");
    await clock.advance(1_000);
    expect(client.breaker.held?.snapshot.state).toBe("OPEN");
  });
});

describe("an isolate without the object", () => {
  it.each(["hangs", "throws", "loses-replies"] as const)(
    "that %s opens by the same rules and recovers by a probe of its own",
    async (condition) => {
      const client = await warm();
      object.condition = condition;
      await clock.advance(5_000);
      for (let n = 0; n < 10; n += 1) {
        await client.run(failing).catch(() => undefined);
        await clock.advance(1_000);
      }
      expect(client.breaker.local?.snapshot.state).toBe("OPEN");
      expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
      await clock.advance(31_000);
      expect(await ending(client, succeed)).toBe("success");
      expect(client.breaker.local?.snapshot.state).toBe("CLOSED");
    },
  );

  it("asks again ever more rarely, and the object wins when it is back", async () => {
    const client = await warm();
    object.condition = "throws";
    await clock.advance(5_000);
    const before = object.requests;
    for (let second = 0; second < 120; second += 1) {
      await client.run(succeed);
      await clock.advance(1_000);
    }
    expect(object.requests - before).toBeLessThan(15);
    object.condition = "up";
    object.command({ do: "open", forMs: null });
    for (let second = 0; second < 40; second += 1) {
      await client.run(succeed);
      await clock.advance(1_000);
    }
    expect(client.breaker.local).toBeNull();
    expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
  });

  it("keeps what an operator decided: forced open stays open, disabled stays disabled", async () => {
    const [open, disabled] = [await warm(), await warm()];
    object.command({ do: "open", forMs: null });
    await clock.advance(5_000);
    await open.run(succeed);
    await clock.advance(150);
    object.command({ do: "disable" });
    await disabled.run(succeed);
    await clock.advance(150);
    object.condition = "throws";
    for (let n = 0; n < 50; n += 1) {
      await open.run(succeed);
      expect(await ending(disabled, failing)).toBe("Error");
      await clock.advance(2_000);
    }
    expect([open.breaker.local, disabled.breaker.local]).not.toContain(null);
    expect(await ending(open, succeed)).toBeInstanceOf(CircuitOpen);
    expect(await ending(disabled, succeed)).toBe("success");
  });

  it("a breaker that was open when the object went stays open for the rest of its time, no longer", async () => {
    const client = await warm();
    await openedBy(client);
    object.condition = "throws";
    for (let second = 0; second < 29; second += 1) {
      expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
      await clock.advance(1_000);
    }
    await clock.advance(2_000);
    for (let n = 0; n < 3; n += 1) await client.run(succeed);
    expect(await ending(client, succeed)).toBe("success");
  });
});

describe("a clock that is set an hour back", () => {
  it("rejects no call for longer, and keeps no snapshot for an hour", async () => {
    const client = await warm();
    await openedBy(client);
    clock.setBack(3_600_000);
    const probe = client.run(succeed);
    await clock.advance(100);
    // The object, whose clock went back too, starts the open time again: thirty seconds, not an
    // hour.
    expect(await probe).toBeInstanceOf(CircuitOpen);
    await clock.advance(31_000);
    const next = client.run(succeed);
    await clock.advance(100);
    expect(await next).toBe("value");
    await clock.advance(100);
    clock.setBack(3_600_000);
    object.command({ do: "open", forMs: null });
    await client.run(succeed);
    await clock.advance(150);
    expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
  });
});

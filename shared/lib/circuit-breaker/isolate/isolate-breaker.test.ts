import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  events,
  failing,
  isolate,
  rejections,
  selfTiming,
  SimulatedObject,
  succeed,
} from "../../../../test/support/fleet.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { CircuitOpen } from "./circuit-open.ts";
import type { BreakerClient } from "./client.ts";

let clock: VirtualClock;
let object: SimulatedObject;
beforeEach(() => {
  clock = new VirtualClock();
  object = new SimulatedObject(clock);
  events.length = 0;
});
afterEach(() => expect(rejections.splice(0)).toEqual([]));

async function warm(): Promise<BreakerClient> {
  const client = isolate(object);
  void client.run(succeed);
  await clock.advance(150);
  return client;
}

async function fail(client: BreakerClient, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) await client.run(failing).catch(() => undefined);
}

/**
 * A request that begins something and dies before its timers fire, as one does whose client has
 * gone.
 */
async function dyingRequest(begin: () => unknown): Promise<void> {
  const { condition } = object;
  const after = clock.after.bind(clock);
  object.condition = "hangs";
  clock.after = () => () => undefined;
  begin();
  await clock.advance(10);
  clock.after = after;
  object.condition = condition;
}

describe("the snapshot of an isolate", () => {
  it("counts from when the question left, so that a slow answer makes it no longer", async () => {
    const client = await warm();
    await clock.advance(5_000);
    object.latencyMs = 1_900;
    // The renewal waits 100 ms for the outcome of the call.
    const askedAt = clock.now() + 100;
    void client.run(succeed);
    await clock.advance(2_050);
    expect(client.breaker.held).toMatchObject({ askedAt, receivedAt: askedAt + 1_900 });
  });

  it("is renewed although the request that was to renew it has died", async () => {
    const client = await warm();
    await clock.advance(5_000);
    await dyingRequest(() => client.run(succeed));
    await clock.advance(4_000);
    const before = object.requests;
    await client.run(succeed);
    await clock.advance(150);
    expect(object.requests - before).toBe(1);
  });

  it("lets another call ask although the request that was to ask has died", async () => {
    const client = await warm();
    await fail(client, 5);
    await clock.advance(31_500);
    await dyingRequest(() => client.run(succeed));
    await clock.advance(4_000);
    const answer = client.run(succeed);
    await clock.advance(150);
    expect(await answer).toBe("value");
  });

  it("reports failures although the request that was to report some has died", async () => {
    const client = await warm();
    await dyingRequest(() => void client.run(failing).catch(() => undefined));
    await clock.advance(4_000);
    await fail(client, 4);
    await clock.advance(1_500);
    expect(object.snapshot.state).toBe("OPEN");
  });

  it("takes an answer of the same epoch that was overtaken for what it is", async () => {
    const client = await warm();
    await clock.advance(5_000);
    object.latencyMs = 1_800;
    void client.breaker.refresh(2_000);
    await clock.advance(100);
    object.latencyMs = 20;
    void client.breaker.refresh(2_000);
    await clock.advance(100);
    const { held } = client.breaker;
    await clock.advance(1_900);
    expect(client.breaker.held).toBe(held);
  });

  it("asks for nothing that the object would drop: while it is disabled or open no failure is reported", async () => {
    const client = await warm();
    object.command({ do: "disable" });
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(150);
    const before = object.requests;
    await fail(client, 50);
    await clock.advance(3_000);
    expect(object.requests - before).toBe(0);
  });

  it("counts a fresh window of the new epoch after every transition", async () => {
    const client = await warm();
    object.command({ do: "reset" });
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(150);
    await fail(client, 5);
    await clock.advance(1_500);
    expect(object.snapshot.state).toBe("OPEN");
  });
});

describe("before the first answer", () => {
  it("failures are reported as soon as it is known under which epoch", async () => {
    const client = isolate(object);
    void client.run(succeed);
    await fail(client, 5);
    await clock.advance(1_200);
    expect(object.snapshot.state).toBe("OPEN");
  });

  it("a call that does not count is taken back, and a failure counts once", async () => {
    const mistaken = isolate(object);
    const mistake = async (): Promise<never> => {
      throw new SyntaxError("a corrupt value");
    };
    await mistaken.run(mistake).catch(() => undefined);
    await clock.advance(150);
    expect(mistaken.breaker.tally.calls).toBe(-1);
    await fail(mistaken, 1);
    await clock.advance(1_200);
    expect(object.memory.phase).toMatchObject({ window: [{ failures: 1, calls: 1 }] });
  });

  it("an outcome that comes after a transition counts nothing", async () => {
    const client = isolate(object);
    const call = client.run(async () => {
      await clock.sleep(3_000);
      return await failing();
    });
    void call.catch(() => undefined);
    await clock.advance(100);
    object.command({ do: "reset" });
    void client.breaker.acquire("p", 1_000, 1_000);
    await clock.advance(6_000);
    await client.run(succeed);
    await clock.advance(1_500);
    expect(object.memory.phase).toMatchObject({ state: "CLOSED" });
    expect(client.breaker.tally.failures).toBe(0);
    expect(JSON.stringify(object.memory.phase)).not.toContain('"failures":1');
  });

  it("many calls at once ask once", async () => {
    const client = isolate(object);
    for (let n = 0; n < 20; n += 1) void client.run(succeed);
    await clock.advance(150);
    expect(object.requests).toBe(1);
    expect(object.memory.phase).toMatchObject({ window: [{ calls: 1 }] });
  });

  it("a call whose question was overtaken counts nothing under the epoch of the answer that did so", async () => {
    const client = isolate(object);
    object.latencyMs = 1_800;
    const call = client.run(async () => {
      await clock.sleep(3_000);
      return await failing();
    });
    void call.catch(() => undefined);
    await clock.advance(1_000);
    object.command({ do: "reset" });
    object.latencyMs = 20;
    void client.breaker.refresh(1_000);
    await clock.advance(3_000);
    expect(client.breaker.held?.snapshot.epoch).toBe(2);
    expect(client.breaker.tally.failures).toBe(0);
    expect(JSON.stringify(object.memory.phase)).not.toContain('"failures":1');
  });

  it("what failed before an operator's reset does not count after it", async () => {
    const client = isolate(object);
    object.condition = "hangs";
    for (let n = 0; n < 6; n += 1) {
      await fail(client, 1);
      await clock.advance(100);
    }
    await clock.advance(1_900);
    object.command({ do: "reset" });
    object.condition = "up";
    await client.run(succeed);
    await clock.advance(2_000);
    expect(object.transitions.map(({ cause }) => cause)).toEqual(["reset"]);
  });
});

describe("an object that is slow", () => {
  it.each([900, 1_100, 1_500, 1_900, 2_500, 6_000])(
    "by %i ms keeps no call from a healthy dependency",
    async (latencyMs) => {
      const clients = [await warm(), await warm(), await warm()];
      for (const client of clients) await fail(client, 2);
      await clock.advance(1_500);
      expect(object.snapshot.state).toBe("OPEN");
      object.latencyMs = latencyMs;
      let through = 0;
      for (let second = 0; second < 240; second += 1) {
        for (const client of clients)
          void client
            .run(succeed)
            .then((answer) => (through += answer instanceof CircuitOpen ? 0 : 1));
        await clock.advance(1_000);
      }
      // Of 720 calls: those of the open time, and of a few questions, are rejected.
      expect(through).toBeGreaterThan(720 - 3 * 30 - 120);
    },
  );

  it("gives its late permit to the next call of the isolate", async () => {
    const client = await warm();
    await fail(client, 5);
    await clock.advance(31_500);
    object.latencyMs = 1_500;
    const first = client.run(succeed);
    await clock.advance(1_600);
    expect(await first).toBeInstanceOf(CircuitOpen);
    const second = client.run(succeed);
    await clock.advance(1_600);
    expect(await second).toBe("value");
    expect(object.snapshot.state).toBe("CLOSED");
    expect(object.grants).toHaveLength(1);
  });

  it("does not win back an isolate by an answer that comes after it was given up", async () => {
    const client = await warm();
    object.latencyMs = 30_000;
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(16_000);
    object.condition = "throws";
    for (let n = 0; n < 4; n += 1) {
      await fail(client, 2);
      await clock.advance(100);
    }
    expect(client.breaker.local?.snapshot.state).toBe("OPEN");
    await clock.advance(15_000);
    expect(client.breaker.local?.snapshot.state).toBe("OPEN");
  });
});

describe("an object that does not answer", () => {
  it("is given up after the third time in a row, which is logged once, as is its return", async () => {
    const client = await warm();
    for (let times = 0; times < 4; times += 1) {
      await clock.advance(5_000);
      object.condition = "throws";
      await client.run(succeed);
      await clock.advance(150);
      object.condition = "up";
      await client.run(succeed);
      await clock.advance(150);
    }
    expect([client.breaker.local, client.breaker.reached, events]).toEqual([null, true, []]);

    object.condition = "throws";
    await clock.advance(5_000);
    for (const expected of [null, null, "CLOSED"]) {
      await client.run(succeed);
      await clock.advance(150);
      expect(client.breaker.local?.snapshot.state ?? null).toBe(expected);
      expect(client.breaker.reached).toBe(false);
    }
    expect(events).toEqual(["object_lost"]);
    object.condition = "up";
    await clock.advance(2_000);
    await client.run(succeed);
    await clock.advance(150);
    expect(events).toEqual(["object_lost", "object_back"]);
  });

  it("leaves the isolate what it had counted, reported in vain or not reported yet", async () => {
    const client = await warm();
    object.condition = "throws";
    await fail(client, 3);
    await clock.advance(200);
    await fail(client, 2);
    for (let n = 0; n < 3; n += 1) {
      await clock.advance(5_000);
      await client.run(succeed);
    }
    await clock.advance(150);
    expect(client.breaker.local?.snapshot.state).toBe("OPEN");
  });

  it("leaves it nothing that the object has counted", async () => {
    const client = await warm();
    await fail(client, 4);
    await clock.advance(1_500);
    object.condition = "throws";
    for (let n = 0; n < 3; n += 1) {
      await clock.advance(5_000);
      await client.run(succeed);
      await clock.advance(150);
    }
    await fail(client, 4);
    expect(client.breaker.local?.snapshot.state).toBe("CLOSED");
  });

  it("and never did leaves a cold isolate to its own rules: it opens", async () => {
    object.condition = "throws";
    const client = isolate(object);
    for (let n = 0; n < 5; n += 1) {
      await fail(client, 1);
      await clock.advance(10);
    }
    expect(client.breaker.local?.snapshot.state).toBe("OPEN");
  });

  it("is not needed to stay closed while one call in a hundred fails", async () => {
    object.condition = "throws";
    const client = await warm();
    for (let n = 0; n < 3_000; n += 1) {
      await (n % 100 === 0 ? fail(client, 1) : client.run(succeed));
      if (n % 100 === 0) await clock.advance(1_000);
    }
    expect(client.breaker.local?.snapshot.state).toBe("CLOSED");
  });

  it("is replaced by a breaker that is fenced too: failures from before it opened do not open it again once it has closed", async () => {
    const client = isolate(object, { policy: selfTiming });
    object.condition = "throws";
    for (let n = 0; n < 4; n += 1) {
      await client.run(succeed);
      await clock.advance(150);
    }
    const ends: (() => void)[] = [];
    const slow = async (): Promise<never> => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return await failing();
    };
    const calls = Promise.allSettled(Array.from({ length: 10 }, () => client.run(slow)));
    await fail(client, 20);
    expect(client.breaker.local?.snapshot.state).toBe("OPEN");
    await clock.advance(31_000);
    expect(await client.run(succeed)).toBe("value");
    for (const end of ends) end();
    await calls;
    expect(client.breaker.local?.snapshot.state).toBe("CLOSED");
  });
});

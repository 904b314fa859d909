import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { breakerCalls } from "../../../../test/support/breaker-calls.ts";
import {
  DependencyDown,
  failing,
  isolate,
  rejections,
  selfTiming,
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

describe("the probe", () => {
  it("is one in the whole fleet, and its success lets all isolates call again within 5 s", async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, warm));
    await openedBy(...clients);
    await clock.advance(5_000);
    for (const client of clients) await client.run(failing).catch(() => undefined);
    await clock.advance(25_000);
    let probes = 0;
    const slow = async (): Promise<string> => {
      probes += 1;
      await clock.sleep(300);
      return "value";
    };
    const answers = Promise.all(
      clients.flatMap((client) => [client.run(slow), client.run(slow), client.run(slow)]),
    );
    await clock.advance(400);
    const values = (await answers).filter((answer) => !(answer instanceof CircuitOpen));
    expect(probes).toBe(1);
    expect(values).toEqual(["value"]);
    expect(object.snapshot.state).toBe("CLOSED");

    await clock.advance(5_000);
    for (const client of clients) void client.run(succeed);
    await clock.advance(150);
    for (const client of clients) expect(await ending(client, succeed)).toBe("success");
  });

  it("rejects the others for a second at a time, not for as long as its permit may last", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    void client.run(() => clock.sleep(4_000));
    await clock.advance(20);
    const rejected = await client.run(succeed);
    expect(client.breaker.held?.snapshot.retryAfterMs).toBe(1_000);
    expect(rejected).toHaveProperty("retryAfterMs", 1_500);
  });

  it("that fails opens the breaker of a fleet without traffic for thirty seconds again", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    const probe = client.run(failing).catch((error: unknown) => error);
    await clock.advance(100);
    expect(await probe).toBeInstanceOf(DependencyDown);
    expect(object.snapshot).toMatchObject({
      state: "OPEN",
      retryAfterMs: expect.closeTo(30_000, -3),
    });
  });

  it.each([false, true])(
    "that may take longer than others closes the breaker: %s",
    async (ends) => {
      const client = isolate(object, ends ? { policy: selfTiming } : {});
      void client.run(succeed);
      await clock.advance(50);
      await openedBy(client);
      await clock.advance(30_000);
      const slow = client.run(() => clock.sleep(80_000).then(() => "value"), { timeoutMs: 90_000 });
      await clock.advance(80_100);
      expect(await slow).toBe("value");
      await clock.advance(100);
      expect(object.snapshot.state).toBe("CLOSED");
    },
  );

  it("that never returns frees its permit, and the next one closes the breaker", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    // An isolate that takes the permit and is gone.
    void object.sync({ acquire: { id: "dead", lastsMs: 10_000, cold: false } });
    await clock.advance(100);
    expect(object.grants).toMatchObject([{ id: "dead" }]);
    for (let second = 0; second < 9; second += 1) {
      const answer = client.run(succeed);
      await clock.advance(1_000);
      expect(await answer).toBeInstanceOf(CircuitOpen);
    }
    await clock.advance(1_000);
    const probe = client.run(succeed);
    await clock.advance(100);
    expect(await probe).toBe("value");
    expect(object.snapshot.state).toBe("CLOSED");
  });

  it("whose permit comes after its caller gave up, and that no other call takes, gives it back", async () => {
    const client = await warm();
    await openedBy(client);
    object.latencyMs = 2_500;
    await clock.advance(30_000);
    const answer = client.run(succeed);
    await clock.advance(1_000);
    expect(await answer).toBeInstanceOf(CircuitOpen);
    await clock.advance(2_500 + 5_000 + 1_250);
    expect(object.grants).toHaveLength(1);
    expect(object.memory.phase).toMatchObject({ state: "HALF_OPEN", reopens: 0, permit: null });
  });

  it.each([3_000, 6_000, 9_900])(
    "whose permit came after %i ms fails no call of a dependency that is well",
    async (latencyMs) => {
      const client = await warm();
      await openedBy(client);
      await clock.advance(33_000);
      object.latencyMs = latencyMs;
      void client.run(succeed);
      await clock.advance(latencyMs + 4_500);
      object.latencyMs = 20;
      const value = ending(client, async () => await clock.sleep(50));
      await clock.advance(10_000);
      expect(await value).not.toBe("TimeoutError");
      expect(object.transitions.map(({ cause }) => cause)).not.toContain("probe-failed");
      void client.run(succeed);
      await clock.advance(10_000);
      expect(object.snapshot.state).toBe("CLOSED");
    },
  );

  it("can be the very next call when the one before gave its permit back", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(31_500);
    const mistake = ending(client, async () => {
      throw new SyntaxError("a corrupt value");
    });
    await clock.advance(100);
    expect(await mistake).toBe("SyntaxError");
    const next = client.run(succeed);
    await clock.advance(100);
    expect(await next).toBe("value");
  });

  it("whose outcome does not reach the object shows that the object is not there", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(31_500);
    const probe = client.run(async () => {
      object.condition = "throws";
      return "value";
    });
    await clock.advance(100);
    expect(await probe).toBe("value");
    expect(client.breaker.reached).toBe(false);
  });

  it("that does not count gives its permit back", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    const mistake = client.run(async () => {
      throw new SyntaxError("a corrupt value");
    });
    await Promise.all([expect(mistake).rejects.toThrow(SyntaxError), clock.advance(100)]);
    expect(object.memory.phase).toMatchObject({ state: "HALF_OPEN", permit: null });
  });

  it("waits at most one second for an object that hangs", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    object.condition = "hangs";
    let answered = false;
    void client.run(succeed).then(() => (answered = true));
    await clock.advance(999);
    expect(answered).toBe(false);
    await clock.advance(1);
    expect(answered).toBe(true);
  });

  it("whose caller aborts while it waits for the object answers at once and gives the permit back", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    const controller = new AbortController();
    const ended = ending(client, succeed, { signal: controller.signal });
    controller.abort();
    expect(await ended).toBe("AbortError");
    await clock.advance(100);
    expect(object.memory.phase).toMatchObject({ state: "HALF_OPEN", permit: null });
  });

  it("can be a cold call, which runs already", async () => {
    await openedBy(await warm());
    await clock.advance(30_000);
    expect(await ending(isolate(object), succeed)).toBe("success");
    await clock.advance(100);
    expect(object.transitions.at(-1)).toMatchObject({ to: "CLOSED", cause: "probe-succeeded" });
  });
});

describe("a call that asks for the permit", () => {
  it("is one call of an isolate: the others are rejected meanwhile", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(28_000);
    await client.run(succeed);
    await clock.advance(3_500);
    const before = object.requests;
    const answers = Array.from({ length: 20 }, () => client.run(succeed));
    await clock.advance(100);
    // Its question, and how its probe ended.
    expect(object.requests - before).toBe(2);
    expect((await Promise.all(answers)).filter((answer) => answer === "value")).toHaveLength(1);
  });

  it("is one of at most three calls of an isolate that was idle", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(31_500);
    const before = object.requests;
    const answers = Array.from({ length: 20 }, () => client.run(succeed));
    await clock.advance(100);
    expect(object.requests - before).toBe(4);
    expect((await Promise.all(answers)).filter((answer) => answer === "value")).toHaveLength(1);
  });

  it("runs when the reply is that the breaker has closed", async () => {
    const client = await warm();
    await openedBy(client);
    object.command({ do: "reset" });
    await clock.advance(60_000);
    const answer = client.run(succeed);
    await clock.advance(150);
    expect(await answer).toBe("value");
  });

  it("goes on by the isolate's own breaker when it is the third in vain", async () => {
    const client = await warm();
    await openedBy(client);
    object.condition = "throws";
    await clock.advance(60_000);
    const answers = [];
    for (let n = 0; n < 3; n += 1) {
      const answer = client.run(succeed);
      await clock.advance(1);
      answers.push(await answer);
    }
    expect(answers).toEqual([expect.any(CircuitOpen), expect.any(CircuitOpen), "value"]);
    expect(client.breaker.local).not.toBeNull();
  });

  it("ends with its permit though its call should have ended itself, and that is a failure", async () => {
    const client = isolate(object, { policy: selfTiming });
    void client.run(succeed);
    await clock.advance(150);
    await openedBy(client);
    await clock.advance(31_500);
    const probe = client
      .run(() => new Promise(() => undefined))
      .catch((error: Error) => error.name);
    await clock.advance(9_600);
    expect(await probe).toBe("TimeoutError");
    expect(object.snapshot).toMatchObject({
      state: "OPEN",
      retryAfterMs: expect.closeTo(30_000, -3),
    });
  });
});

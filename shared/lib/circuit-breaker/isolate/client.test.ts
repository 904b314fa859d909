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
import type { BreakerClient } from "./client.ts";

let clock: VirtualClock;
let object: SimulatedObject;
beforeEach(() => {
  clock = new VirtualClock();
  object = new SimulatedObject(clock);
});
afterEach(() => expect(rejections.splice(0)).toEqual([]));

const { ending, warm, openedBy } = breakerCalls(() => ({ clock, object }));

describe("failures of the fleet", () => {
  it("of five isolates with one call each open the breaker, also when the object is dropped from memory after each", async () => {
    for (let n = 0; n < 5; n += 1) {
      await expect(isolate(object).run(failing)).rejects.toThrow(DependencyDown);
      await clock.advance(1_000);
      object.evict();
    }
    expect(object.snapshot).toMatchObject({
      state: "OPEN",
      retryAfterMs: expect.closeTo(30_000, -4),
    });
    expect(object.transitions).toMatchObject([{ cause: "threshold", actor: "breaker" }]);
  });

  it("that reach the threshold at the same moment open it once", async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, warm));
    await Promise.all(clients.map((client) => client.run(failing).catch(() => undefined)));
    await clock.advance(1_000);
    expect(object.transitions).toHaveLength(1);
    expect(object.snapshot).toMatchObject({ state: "OPEN", epoch: 2 });
  });

  it("count also after the object is rolled back to a release that refuses newer fields", async () => {
    const client = await warm();
    const { sync } = object;
    object.sync = async (request) => ({ ...(await sync(request)), takesErrors: true });
    await clock.advance(6_000);
    await client.run(succeed);
    await clock.advance(100);
    object.sync = async (request) => {
      const { lastError, overMs } = request.report ?? {};
      if (lastError !== undefined || overMs !== undefined) throw new TypeError("unknown field");
      const { snapshot, granted } = await sync(request);
      const { state, epoch, leaseMs, retryAfterMs, override } = snapshot;
      return { snapshot: { state, epoch, leaseMs, retryAfterMs, override }, granted };
    };
    for (let n = 0; n < 6; n += 1) {
      await client.run(failing).catch(() => undefined);
      await clock.advance(1_100);
    }
    // The first report was refused, and is sent at most once.
    expect(object.snapshot.state).toBe("OPEN");
    expect(client.breaker.reached).toBe(true);
  });

  it("are reported once, together with the successes since the last report", async () => {
    const client = await warm();
    const before = object.requests;
    for (let n = 0; n < 10; n += 1) await client.run(succeed);
    for (let n = 0; n < 3; n += 1) await client.run(failing).catch(() => undefined);
    await clock.advance(150);
    expect(object.requests - before).toBe(1);
    // 10 successes, 3 failures, and the cold call that warmed the isolate.
    expect(object.memory.phase).toMatchObject({ window: [{ failures: 3, calls: 14 }] });
  });

  it("are reported by the renewal that is due with them: one request, not two", async () => {
    const client = await warm();
    await clock.advance(6_000);
    const before = object.requests;
    await client.run(failing).catch(() => undefined);
    await clock.advance(3_000);
    expect(object.requests - before).toBe(1);
    const { phase } = object.memory;
    const failures = phase.state === "CLOSED" ? phase.window.map((slot) => slot.failures) : [];
    expect(failures.at(-1)).toBe(1);
  });

  it("are reported once per second while they go on and are too few to open it, and then all together", async () => {
    const client = await warm();
    for (let n = 0; n < 100; n += 1) await client.run(succeed);
    const before = object.requests;
    for (let n = 0; n < 40; n += 1) {
      await client.run(failing).catch(() => undefined);
      // Without it the isolate would pause.
      await client.run(succeed);
      await clock.advance(100);
    }
    await clock.advance(1_000);
    // 40 failures over 4 s: one report per second, and the renewal of the snapshot.
    expect(object.requests - before).toBeLessThanOrEqual(6);
    expect(object.memory.phase).toMatchObject({
      // 140 successes, 40 failures and the cold call.
      window: [{ failures: 40, calls: 181 }],
    });
  });

  it("do not open it while they are one in a thousand, with isolates of one call or of many", async () => {
    const many = await Promise.all(Array.from({ length: 10 }, warm));
    for (let n = 0; n < 20_000; n += 1) {
      const client = n % 2 === 0 ? isolate(object) : many[n % many.length];
      void client?.run(n % 1_000 < 2 ? failing : succeed).catch(() => undefined);
      if (n % 50 === 0) await clock.advance(100);
      if (n % 4_000 === 0) object.evict();
    }
    expect(object.transitions).toEqual([]);
  });
});

describe("a call while closed", () => {
  it("costs no hop: ten thousand under one snapshot make one request, and one more for each report of failures", async () => {
    const client = await warm();
    const atStart = object.requests;
    for (let n = 0; n < 10_000; n += 1)
      await client.run(n % 2_500 === 1_000 ? failing : succeed).catch(() => undefined);
    await clock.advance(500);
    expect(object.snapshot.state).toBe("CLOSED");
    expect(atStart).toBe(1);
    expect(object.requests - atStart).toBeLessThanOrEqual(4);
  });

  it.each(["hangs", "throws"] as const)(
    "does not wait for an object that %s, warm or cold",
    async (condition) => {
      const client = await warm();
      await clock.advance(60_000);
      object.condition = condition;
      expect(await ending(client, succeed)).toBe("success");
      expect(await ending(isolate(object), succeed)).toBe("success");
    },
  );

  it("is ended after its timeout, and that counts", async () => {
    const client = await warm();
    const calls = Array.from({ length: 5 }, () => client.run(() => new Promise(() => undefined)));
    const ends = Promise.allSettled(calls);
    await clock.advance(5_200);
    expect(
      (await ends).map((end) =>
        end.status === "rejected" ? (end.reason as Error).name : end.status,
      ),
    ).toEqual(Array.from({ length: 5 }, () => "TimeoutError"));
    expect(object.snapshot.state).toBe("OPEN");
  });

  it("leaves no timer and no listener behind", async () => {
    const client = await warm();
    const before = clock.pending;
    const { signal } = new AbortController();
    for (let n = 0; n < 10; n += 1) await client.run(succeed, { signal });
    expect(clock.pending).toBe(before);
  });

  it("does not count when it is aborted, for any reason that the caller gives", async () => {
    const client = await warm();
    const controller = new AbortController();
    const ended = ending(client, () => new Promise(() => undefined), { signal: controller.signal });
    controller.abort(new DependencyDown("so says the caller"));
    expect(await ended).toBe("Error");
    expect(client.breaker.tally.failures).toBe(0);
  });

  it("signals the operation when its time is over", async () => {
    const client = await warm();
    let received: AbortSignal | undefined;
    const call = client.run((signal) => {
      received = signal;
      return new Promise(() => undefined);
    });
    call.catch(() => undefined);
    await clock.advance(5_000);
    expect(received?.aborted).toBe(true);
  });

  it("renews the snapshot in the background, once however many calls there are", async () => {
    const client = await warm();
    await clock.advance(5_000);
    const before = object.requests;
    for (let n = 0; n < 100; n += 1) await client.run(succeed);
    await clock.advance(100);
    expect(object.requests - before).toBe(1);
  });

  it("never counts when the caller was at fault, or aborted it", async () => {
    const client = await warm();
    const mistake = async (): Promise<never> => {
      throw new SyntaxError("a corrupt value");
    };
    for (let n = 0; n < 20; n += 1) {
      expect(await ending(client, mistake)).toBe("SyntaxError");
      expect(await ending(isolate(object), mistake)).toBe("SyntaxError");
      const controller = new AbortController();
      const aborted = ending(client, () => new Promise(() => undefined), {
        signal: controller.signal,
      });
      controller.abort();
      expect(await aborted).toBe("AbortError");
    }
    await clock.advance(1_000);
    expect(object.memory.phase).toMatchObject({ state: "CLOSED" });
    const window = object.memory.phase.state === "CLOSED" ? object.memory.phase.window : [];
    expect(window.map(({ failures }) => failures).filter((failures) => failures > 0)).toEqual([]);
    expect(object.transitions).toEqual([]);
  });
});

describe("a call while open", () => {
  it("is rejected at once with the time until a retry, jittered, and costs no hop", async () => {
    const client = await warm();
    await openedBy(client);
    const before = object.requests;
    const rejected = [];
    for (let n = 0; n < 10_000; n += 1) rejected.push(await client.run(succeed));
    expect(rejected.every((answer) => answer instanceof CircuitOpen)).toBe(true);
    expect(rejected[0]).toMatchObject({ tag: "circuit-open", dependency: "test" });
    expect(rejected[0]).toHaveProperty("retryAfterMs", expect.closeTo(30_500, -3));
    expect(object.requests - before).toBeLessThanOrEqual(1);
  });

  it.each(["hangs", "throws"] as const)(
    "does not wait for an object that %s",
    async (condition) => {
      const client = await warm();
      await openedBy(client);
      object.condition = condition;
      await clock.advance(6_000);
      expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
    },
  );

  it("never counts: rejections leave no trace", async () => {
    const client = await warm();
    await openedBy(client);
    for (let n = 0; n < 100; n += 1) await client.run(failing);
    await clock.advance(10_000);
    await client.run(failing);
    await clock.advance(100);
    expect(object.transitions).toHaveLength(1);
  });

  it("under an outdated snapshot is asked to come back in a moment, when the renewal is there", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(6_000);
    expect(await ending(client, succeed)).toHaveProperty("retryAfterMs", 1_500);
    await clock.advance(150);
    expect(await ending(client, succeed)).toHaveProperty(
      "retryAfterMs",
      expect.closeTo(24_000, -3.5),
    );
  });

  it("by force waits for no answer, however old the snapshot and silent the object", async () => {
    const client = await warm();
    object.command({ do: "open", forMs: null });
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(150);
    object.condition = "hangs";
    await clock.advance(60_000);
    expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
  });

  it("makes an operator's reset known within the 5 s for which a snapshot is fresh", async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, warm));
    await openedBy(...clients);
    object.command({ do: "reset" });
    await clock.advance(5_000);
    for (const client of clients) await client.run(succeed);
    await clock.advance(150);
    for (const client of clients) expect(await ending(client, succeed)).toBe("success");
  });
});

describe("a call on the fast path, whose callee times itself out", () => {
  async function fast(): Promise<BreakerClient> {
    const client = isolate(object, { policy: selfTiming });
    void client.run(succeed);
    await clock.advance(150);
    await client.run(succeed);
    return client;
  }

  it("counts its failures and its calls, and no mistakes", async () => {
    const client = await fast();
    const mistake = async (): Promise<never> => {
      throw new SyntaxError("a corrupt value");
    };
    for (let n = 0; n < 4; n += 1) {
      await client.run(failing).catch(() => undefined);
      await client.run(mistake).catch(() => undefined);
      await client.run(succeed);
    }
    // 4 failures, 4 successes, and the success that made the path fast. Mistakes do not count.
    expect([client.breaker.tally.failures, client.breaker.tally.calls]).toEqual([4, 9]);
  });

  it("renews an outdated snapshot, also after the clock was set back", async () => {
    const client = await fast();
    for (const passes of [() => clock.advance(6_000), async () => clock.setBack(3_600_000)]) {
      await client.run(succeed);
      await passes();
      const before = object.requests;
      await client.run(succeed);
      await clock.advance(150);
      expect(object.requests - before).toBe(1);
    }
  });

  it("goes by the present snapshot, not by that of its last call", async () => {
    const client = await fast();
    object.command({ do: "open", forMs: null });
    void client.breaker.acquire("another-isolate", 1_000, 1_000);
    await clock.advance(150);
    expect(await client.run(succeed)).toBeInstanceOf(CircuitOpen);
  });

  it("goes by the isolate's own breaker once the object is lost", async () => {
    const client = await fast();
    object.condition = "throws";
    for (let n = 0; n < 20; n += 1) {
      await client.run(failing).catch(() => undefined);
      await clock.advance(500);
    }
    expect(await client.run(succeed)).toBeInstanceOf(CircuitOpen);
  });

  it("heeds the caller's signal", async () => {
    const client = await fast();
    const controller = new AbortController();
    const ended = ending(client, () => new Promise(() => undefined), { signal: controller.signal });
    controller.abort();
    expect(await ended).toBe("AbortError");
    expect(client.breaker.tally.failures).toBe(0);
  });

  it("fails like any other when it throws before it returns a promise", async () => {
    const client = await fast();
    const thrown = client.run(() => {
      throw new DependencyDown("at once");
    });
    await expect(thrown).rejects.toThrow(DependencyDown);
    expect(client.breaker.tally.failures).toBe(1);
  });

  it("opens the breaker and is rejected", async () => {
    const client = await fast();
    for (let n = 0; n < 5; n += 1) await client.run(failing).catch(() => undefined);
    await clock.advance(200);
    expect(await client.run(succeed)).toBeInstanceOf(CircuitOpen);
  });
});

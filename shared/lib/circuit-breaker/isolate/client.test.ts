import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

/** Runs a call and says how it ended. */
async function ending(
  client: BreakerClient,
  operation: () => Promise<unknown>,
  options?: Parameters<BreakerClient["run"]>[1],
) {
  const ended = client.run(operation, options).then(
    (value) => (value instanceof CircuitOpen ? value : "success"),
    (error: unknown) => (error instanceof Error ? error.name : String(error)),
  );
  await clock.advance(0);
  return ended;
}

/** An isolate that has been told what holds. */
async function warm(): Promise<BreakerClient> {
  const client = isolate(object);
  void client.run(succeed);
  await clock.advance(50);
  return client;
}

async function openedBy(...clients: BreakerClient[]): Promise<void> {
  // At least half of the calls, of which each isolate has made one.
  for (let n = 0; n < Math.max(5, clients.length); n += 1) {
    const client = clients[n % clients.length];
    if (client !== undefined) await client.run(failing).catch(() => undefined);
  }
  await clock.advance(200);
  expect(object.snapshot.state).toBe("OPEN");
}

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

  it("are reported once, together with the successes since the last report", async () => {
    const client = await warm();
    const before = object.requests;
    for (let n = 0; n < 10; n += 1) await client.run(succeed);
    for (let n = 0; n < 3; n += 1) await client.run(failing).catch(() => undefined);
    await clock.advance(150);
    expect(object.requests - before).toBe(1);
    // One more is the cold call that warmed it.
    expect(object.memory.phase).toMatchObject({ window: [{ failures: 3, calls: 14 }] });
  });

  it("are reported once a second while they go on and are too few to open it, and then all together", async () => {
    const client = await warm();
    for (let n = 0; n < 100; n += 1) await client.run(succeed);
    const before = object.requests;
    for (let n = 0; n < 40; n += 1) {
      await client.run(failing).catch(() => undefined);
      await clock.advance(100);
    }
    await clock.advance(1_000);
    expect(object.requests - before).toBeLessThanOrEqual(6);
    expect(object.memory.phase).toMatchObject({ window: [{ failures: 40, calls: 141 }] });
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
  it("costs no hop: ten thousand in one lease make one request, and one more for each report of failures", async () => {
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

  it("does not count when it is aborted, whatever reason the caller gives", async () => {
    const client = await warm();
    const controller = new AbortController();
    const ended = ending(client, () => new Promise(() => undefined), { signal: controller.signal });
    controller.abort(new DependencyDown("so says the caller"));
    expect(await ended).toBe("Error");
    expect(client.breaker.tally.failures).toBe(0);
  });

  it("tells the operation when its time is over", async () => {
    const client = await warm();
    let told: AbortSignal | undefined;
    const call = client.run((signal) => {
      told = signal;
      return new Promise(() => undefined);
    });
    call.catch(() => undefined);
    await clock.advance(5_000);
    expect(told?.aborted).toBe(true);
  });

  it("renews the lease in the background, once however many calls there are", async () => {
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

  it("that comes after the lease is told to come back in a moment: by then it is known what holds", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(6_000);
    expect(await ending(client, succeed)).toHaveProperty("retryAfterMs", 1_500);
    await clock.advance(50);
    expect(await ending(client, succeed)).toHaveProperty(
      "retryAfterMs",
      expect.closeTo(24_000, -3.5),
    );
  });

  it("by force waits for nobody, however old the view and silent the object", async () => {
    const client = await warm();
    object.command({ do: "open", forMs: null });
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(50);
    object.condition = "hangs";
    await clock.advance(60_000);
    expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
  });

  it("makes an operator's reset known within one lease", async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, warm));
    await openedBy(...clients);
    object.command({ do: "reset" });
    await clock.advance(5_000);
    for (const client of clients) await client.run(succeed);
    await clock.advance(50);
    for (const client of clients) expect(await ending(client, succeed)).toBe("success");
  });
});

describe("the probe", () => {
  it("is one in the whole fleet, and its success lets everybody through within one lease", async () => {
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
    for (const client of clients) await client.run(succeed);
    await clock.advance(50);
    for (const client of clients) expect(await ending(client, succeed)).toBe("success");
  });

  it("keeps the others away for a lease at a time, not for as long as its permit may last", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    void client.run(() => clock.sleep(4_000));
    await clock.advance(50);
    const rejected = await client.run(succeed);
    expect(client.breaker.view?.snapshot.retryAfterMs).toBe(10_000);
    expect(rejected).toHaveProperty("retryAfterMs", 5_500);
  });

  it("that fails opens it for twice as long", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(30_000);
    const probe = client.run(failing).catch((error: unknown) => error);
    await clock.advance(100);
    expect(await probe).toBeInstanceOf(DependencyDown);
    expect(object.snapshot).toMatchObject({
      state: "OPEN",
      retryAfterMs: expect.closeTo(60_000, -3),
    });
  });

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
    expect(object.memory.phase).toEqual({ state: "HALF_OPEN", reopens: 0, permit: null });
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

describe("one that asks", () => {
  it("is one call of an isolate: the others are rejected meanwhile", async () => {
    const client = await warm();
    await openedBy(client);
    await clock.advance(31_500);
    const before = object.requests;
    const answers = Array.from({ length: 20 }, () => client.run(succeed));
    await clock.advance(100);
    // Its question, the renewal of the breaker, and how its probe ended.
    expect(object.requests - before).toBeLessThanOrEqual(3);
    expect((await Promise.all(answers)).filter((answer) => answer === "value")).toHaveLength(1);
  });

  it("runs when it hears that the breaker has closed", async () => {
    const client = await warm();
    await openedBy(client);
    object.command({ do: "reset" });
    await clock.advance(60_000);
    const answer = client.run(succeed);
    await clock.advance(50);
    expect(await answer).toBe("value");
  });

  it("goes on by the isolate's own breaker when it is the third in vain", async () => {
    const client = await warm();
    await openedBy(client);
    object.condition = "throws";
    await clock.advance(60_000);
    const answers = [];
    for (let n = 0; n < 2; n += 1) {
      const answer = client.run(succeed);
      await clock.advance(1);
      answers.push(await answer);
    }
    // The first call's renewal and its question, and the second call's question.
    expect(answers).toEqual([expect.any(CircuitOpen), "value"]);
    expect(client.breaker.local).not.toBeNull();
  });

  it("ends with its permit though its call should have ended itself, and that is a failure", async () => {
    const client = isolate(object, { policy: selfTiming });
    void client.run(succeed);
    await clock.advance(50);
    await openedBy(client);
    await clock.advance(31_500);
    const probe = client
      .run(() => new Promise(() => undefined))
      .catch((error: Error) => error.name);
    await clock.advance(9_600);
    expect(await probe).toBe("TimeoutError");
    expect(object.snapshot).toMatchObject({
      state: "OPEN",
      retryAfterMs: expect.closeTo(60_000, -3),
    });
  });
});

describe("a call on the fast path, whose callee times itself out", () => {
  async function fast(): Promise<BreakerClient> {
    const client = isolate(object, { policy: selfTiming });
    void client.run(succeed);
    await clock.advance(50);
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
    expect([client.breaker.tally.failures, client.breaker.tally.calls]).toEqual([4, 9]);
  });

  it("renews the lease when it is over, also after the clock was set back", async () => {
    const client = await fast();
    for (const passes of [() => clock.advance(6_000), async () => clock.setBack(3_600_000)]) {
      await client.run(succeed);
      await passes();
      const before = object.requests;
      await client.run(succeed);
      await clock.advance(50);
      expect(object.requests - before).toBe(1);
    }
  });

  it("goes by the view of now, not by the one of its last call", async () => {
    const client = await fast();
    object.command({ do: "open", forMs: null });
    void client.breaker.acquire("somebody", 1_000, 1_000);
    await clock.advance(50);
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

  it("an answer that was overtaken changes no view", async () => {
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
    expect(client.breaker.view?.snapshot.state).toBe("OPEN");
    await clock.advance(1_000);
    expect(client.breaker.view?.snapshot.state).toBe("OPEN");
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
    await clock.advance(50);
    object.command({ do: "disable" });
    await disabled.run(succeed);
    await clock.advance(50);
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
  it("keeps nobody out for longer, and ends no lease an hour late", async () => {
    const client = await warm();
    await openedBy(client);
    clock.setBack(3_600_000);
    const probe = client.run(succeed);
    await clock.advance(100);
    // The object, whose clock went back too, starts the open time anew: thirty seconds, not an
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
    await clock.advance(50);
    expect(await ending(client, succeed)).toBeInstanceOf(CircuitOpen);
  });
});

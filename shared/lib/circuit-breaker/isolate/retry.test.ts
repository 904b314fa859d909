import { beforeEach, describe, expect, it } from "vitest";
import {
  DependencyDown,
  failing,
  isolate,
  SimulatedObject,
  succeed,
} from "../../../../test/support/fleet.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import type { GuardedCall } from "./bounded-call.ts";
import type { BreakerClient } from "./client.ts";
import { callWithRetries, defaultRetries, RetryBudget, type RetrySettings } from "./retry.ts";

let clock: VirtualClock;
let object: SimulatedObject;
let client: BreakerClient;
let budget: RetryBudget;
beforeEach(async () => {
  clock = new VirtualClock();
  object = new SimulatedObject(clock);
  client = isolate(object);
  budget = new RetryBudget();
  void client.run(succeed);
  await clock.advance(150);
});

const ports = (settings: RetrySettings = defaultRetries) => ({
  client,
  settings,
  budget,
  clock,
  random: () => 0.5,
});
/** A call of an isolate that has no answer of the breaker yet. */
const coldly = <Value>(call: GuardedCall<Value>) =>
  callWithRetries(call, { ...ports(), client: isolate(object), budget: new RetryBudget() });
const guarded = <Value>(call: GuardedCall<Value>, settings?: RetrySettings) =>
  callWithRetries(call, ports(settings));

/** Fails so many times, then succeeds; remembers when it was tried. */
function flaky(failures: number) {
  const triedAt: number[] = [];
  const operation = async (): Promise<string> => {
    triedAt.push(clock.now());
    if (triedAt.length <= failures) throw new DependencyDown("down");
    return "value";
  };
  return {
    triedAt,
    operation,
    delays: () => triedAt.slice(1).map((at, n) => at - (triedAt[n] ?? 0)),
  };
}

describe("a guarded call with retries", () => {
  it("is tried again after 100 and 200 ms, and 400 when there are three retries", async () => {
    const { operation, delays } = flaky(3);
    const answer = guarded(operation, { ...defaultRetries, retries: 3 });
    await clock.advance(1_000);
    expect(await answer).toEqual({ ok: true, value: "value" });
    expect(delays()).toEqual([100, 200, 400]);
  });

  it("spreads its delays by a fifth", async () => {
    const { operation, delays } = flaky(2);
    const answer = callWithRetries(operation, { ...ports(), random: () => 0 });
    await clock.advance(1_000);
    expect(await answer).toMatchObject({ ok: true });
    expect(delays()).toEqual([80, 160]);
  });

  it("gives up after two retries with what the last attempt threw", async () => {
    const { operation, triedAt } = flaky(9);
    const answer = guarded(operation);
    await clock.advance(1_000);
    expect(await answer).toMatchObject({
      ok: false,
      error: { tag: "call-failed", error: expect.any(DependencyDown) },
    });
    expect(triedAt).toHaveLength(3);
  });

  it("is not tried again when the caller is to blame", async () => {
    let tries = 0;
    const mistake = async (): Promise<never> => {
      tries += 1;
      throw new SyntaxError("a corrupt value");
    };
    expect(await guarded(mistake)).toMatchObject({
      ok: false,
      error: { tag: "call-failed", error: expect.any(SyntaxError) },
    });
    expect(tries).toBe(1);
  });

  it.each([0, 3_600_000])(
    "never outlives its deadline, though every attempt hangs and the clock goes %i ms back",
    async (backMs) => {
      let passedMs = 0;
      let endedAfterMs = 0;
      void guarded(() => new Promise(() => undefined)).then(
        ({ ok }) => (endedAfterMs = ok ? 0 : passedMs),
      );
      for (; passedMs < 30_000; passedMs += 100) {
        await clock.advance(100);
        if (passedMs === 1_000) clock.setBack(backMs);
      }
      expect(endedAfterMs).toBeGreaterThan(5_000);
      expect(endedAfterMs).toBeLessThanOrEqual(defaultRetries.deadlineMs);
    },
  );

  it("that its deadline ends does not count against the dependency", async () => {
    const slow = guarded(() => new Promise(() => undefined), {
      ...defaultRetries,
      deadlineMs: 100,
    });
    await clock.advance(100);
    expect(await slow).toMatchObject({ error: { error: { name: "DeadlineExceeded" } } });
    await clock.advance(10_000);
    await client.run(succeed);
    await clock.advance(100);
    expect(JSON.stringify(object.memory.phase)).not.toContain('"failures":1');
  });

  it("ends with its deadline between two attempts, and is not tried again after it", async () => {
    const { operation, triedAt } = flaky(9);
    const answer = guarded(operation, { ...defaultRetries, deadlineMs: 50 });
    await clock.advance(150);
    expect(await answer).toMatchObject({ ok: false, error: { tag: "call-failed" } });
    await clock.advance(1_000);
    expect(triedAt).toHaveLength(1);
  });

  it("stops when the breaker opens meanwhile, and throws the error rather than that", async () => {
    const { operation, triedAt } = flaky(9);
    const answer = guarded(operation);
    await clock.advance(0);
    object.command({ do: "open", forMs: null });
    await clock.advance(5_000);
    // Its report, 100 ms after the failure, was answered with the news.
    expect(await answer).toMatchObject({ ok: false, error: { tag: "call-failed" } });
    expect(triedAt.length).toBeLessThan(3);
  });

  it("is not tried at all while the breaker is open", async () => {
    object.command({ do: "open", forMs: null });
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(150);
    let tries = 0;
    const answer = await guarded(async () => (tries += 1));
    expect(answer).toMatchObject({ ok: false, error: { tag: "circuit-open", dependency: "test" } });
    expect(tries).toBe(0);
  });

  it("makes one attempt as the probe", async () => {
    object.command({ do: "open", forMs: 1_000 });
    await clock.advance(5_000);
    await client.run(failing).catch(() => undefined);
    await clock.advance(150);
    const { operation, triedAt } = flaky(9);
    const answer = guarded(operation);
    await clock.advance(5_000);
    expect(await answer).toMatchObject({ ok: false });
    expect(triedAt).toHaveLength(1);
  });
});

describe("a call of an isolate without an answer of the breaker yet", () => {
  it("is not tried again: a hundred such isolates make a hundred attempts on a dependency that is down", async () => {
    object.command({ do: "open", forMs: null });
    object.latencyMs = 400;
    const { operation, triedAt } = flaky(Number.POSITIVE_INFINITY);
    for (let n = 0; n < 100; n += 1) {
      void coldly(operation);
      await clock.advance(10);
    }
    await clock.advance(10_000);
    expect(triedAt).toHaveLength(100);
  });

  it("makes one attempt if it turns out to be the probe", async () => {
    object.command({ do: "open", forMs: 1_000 });
    object.latencyMs = 400;
    await clock.advance(1_000);
    const { operation, triedAt } = flaky(9);
    void coldly(operation);
    await clock.advance(10_000);
    expect(object.transitions.at(-1)).toMatchObject({ cause: "probe-failed" });
    expect(triedAt).toHaveLength(1);
  });

  it("is tried again once the answer is there", async () => {
    const { operation, triedAt } = flaky(1);
    const answer = coldly(operation);
    await clock.advance(1_000);
    expect(await answer).toEqual({ ok: true, value: "value" });
    expect(triedAt).toHaveLength(2);
  });
});

describe("the retry budget", () => {
  it.each([10, 100, 1_000])(
    "adds at most a fifth and a reserve of 10 to %i calls while everything fails",
    async (calls) => {
      // A breaker that an operator holds closed: only the budget limits the retries.
      object.command({ do: "close" });
      await clock.advance(5_000);
      await client.run(succeed);
      await clock.advance(150);
      const { operation, triedAt } = flaky(Number.POSITIVE_INFINITY);
      for (let n = 0; n < calls; n += 1) {
        void guarded(operation);
        await clock.advance(20);
      }
      await clock.advance(1_000);
      expect(triedAt.length - calls).toBeGreaterThan(0);
      expect(triedAt.length - calls).toBeLessThanOrEqual(0.2 * calls + 10);
    },
  );

  it("is not filled by calls that the breaker rejects", async () => {
    while (budget.spend());
    object.command({ do: "open", forMs: null });
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(150);
    for (let n = 0; n < 100; n += 1) await guarded(succeed);
    expect(budget.spend()).toBe(false);
  });

  it("is filled by a fifth of each call that reaches the dependency", async () => {
    while (budget.spend());
    for (let n = 0; n < 5; n += 1) await guarded(succeed);
    expect([budget.spend(), budget.spend()]).toEqual([true, false]);
  });

  it("saves up no more than the reserve, however long all went well", () => {
    for (let n = 0; n < 1_000_000; n += 1) budget.earn();
    let spent = 0;
    while (budget.spend()) spent += 1;
    expect(spent).toBe(10);
  });
});

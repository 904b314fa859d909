import { beforeEach, describe, expect, it } from "vitest";
import { DependencyDown, failing, isolate, policy, SimulatedObject, succeed } from "../../test/support/fleet.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import type { Operation } from "./attempt.ts";
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
  await clock.advance(50);
});

const ports = () => ({ clock, random: () => 0.5, isFault: policy.isFault });
const guarded = <Value>(operation: Operation<Value>, settings: RetrySettings = defaultRetries, signal?: AbortSignal) =>
  callWithRetries(client, operation, settings, budget, ports(), signal);

/** Fails so many times, then succeeds; remembers when it was tried. */
function flaky(failures: number) {
  const triedAt: number[] = [];
  const operation = async (): Promise<string> => {
    triedAt.push(clock.now());
    if (triedAt.length <= failures) throw new DependencyDown("down");
    return "value";
  };
  return { triedAt, operation, delays: () => triedAt.slice(1).map((at, n) => at - (triedAt[n] ?? 0)) };
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
    const answer = callWithRetries(client, operation, defaultRetries, budget, { ...ports(), random: () => 0 });
    await clock.advance(1_000);
    expect(await answer).toMatchObject({ ok: true });
    expect(delays()).toEqual([80, 160]);
  });

  it("gives up after two retries with what the last attempt threw", async () => {
    const { operation, triedAt } = flaky(9);
    const answer = guarded(operation);
    await clock.advance(1_000);
    expect(await answer).toMatchObject({ ok: false, error: { tag: "call-failed", error: expect.any(DependencyDown) } });
    expect(triedAt).toHaveLength(3);
  });

  it("is not tried again when the caller is to blame, or no longer wants it", async () => {
    let tries = 0;
    const mistake = async (): Promise<never> => {
      tries += 1;
      throw new SyntaxError("a corrupt value");
    };
    expect(await guarded(mistake)).toMatchObject({ ok: false, error: { tag: "call-failed", error: expect.any(SyntaxError) } });
    expect(tries).toBe(1);

    const controller = new AbortController();
    const aborted = guarded(() => new Promise(() => undefined), defaultRetries, controller.signal);
    controller.abort();
    expect(await aborted).toMatchObject({ ok: false, error: { error: { name: "AbortError" } } });
  });

  it("never outlives its deadline, though every attempt hangs", async () => {
    const started = clock.now();
    const answer = guarded(() => new Promise(() => undefined));
    let endedAt = 0;
    void answer.then(() => (endedAt = clock.now()));
    await clock.advance(60_000);
    expect(await answer).toMatchObject({ ok: false });
    expect(endedAt - started).toBeGreaterThan(5_000);
    expect(endedAt - started).toBeLessThanOrEqual(defaultRetries.deadlineMs);
  });

  it("stops when the breaker opens meanwhile, and tells the error rather than that", async () => {
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
    await clock.advance(50);
    let tries = 0;
    const answer = await guarded(async () => (tries += 1));
    expect(answer).toMatchObject({ ok: false, error: { tag: "circuit-open", dependency: "test" } });
    expect(tries).toBe(0);
  });

  it("makes one attempt as the probe", async () => {
    object.command({ do: "open", forMs: 1_000 });
    await clock.advance(5_000);
    await client.run(failing).catch(() => undefined);
    await clock.advance(50);
    const { operation, triedAt } = flaky(9);
    const answer = guarded(operation);
    await clock.advance(5_000);
    expect(await answer).toMatchObject({ ok: false });
    expect(triedAt).toHaveLength(1);
  });
});

describe("the retry budget", () => {
  it.each([10, 100, 1_000])("adds at most 20 %% and a reserve of 10 to %i calls while everything fails", async (calls) => {
    // A breaker that an operator holds closed: nothing but the budget limits the retries.
    object.command({ do: "close" });
    await clock.advance(5_000);
    await client.run(succeed);
    await clock.advance(50);
    const { operation, triedAt } = flaky(Number.POSITIVE_INFINITY);
    for (let n = 0; n < calls; n += 1) {
      void guarded(operation);
      await clock.advance(20);
    }
    await clock.advance(1_000);
    expect(triedAt.length - calls).toBeGreaterThan(0);
    expect(triedAt.length - calls).toBeLessThanOrEqual(0.2 * calls + 10);
  });

  it("saves up no more than the reserve, however long all went well", () => {
    for (let n = 0; n < 1_000_000; n += 1) budget.earn();
    let spent = 0;
    while (budget.spend()) spent += 1;
    expect(spent).toBe(10);
  });
});

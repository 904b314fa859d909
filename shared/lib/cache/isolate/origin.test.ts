import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  newIsolate,
  rejections,
  SimulatedBackends,
  type SimulatedIsolate,
} from "../../../../test/support/cache-fleet.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { ok } from "../../base/result.ts";
import type { CacheRead, ReadOptions } from "../rules/read.ts";

/** How the origin is protected from its readers, and readers from an origin that hangs. */

const SECOND = 1_000;
const schema = v.number();

let clock: VirtualClock;
let isolate: SimulatedIsolate;
beforeEach(() => {
  clock = new VirtualClock();
  isolate = newIsolate(new SimulatedBackends(clock), { random: () => 0 });
});
afterEach(() => expect(rejections).toEqual([]));

type Load = ReadOptions<number, never>["load"];
const read = (
  key: string,
  load: Load,
  options: Partial<ReadOptions<number, never>> = {},
): Promise<CacheRead<number, never>> =>
  isolate.cache.read(key, { schema, tags: [], load, ...options });
const never: Load = () => new Promise(() => undefined);
const instant: Load = async () => ok(1);
const hang = (count: number, keyOf: (n: number) => string): void => {
  for (let n = 0; n < count; n += 1) void read(keyOf(n), never);
};

describe("loads that hang", () => {
  it("of one family of keys do not keep another family from its origin", async () => {
    hang(64, (n) => `price:${n}`);
    await clock.advance(10);
    const other = read("user:1", instant);
    await clock.advance(0);
    expect(await other).toMatchObject({ ok: true, value: 1 });
  });

  it("make further reads of their own family overloaded, until their time is over", async () => {
    hang(64, (n) => `price:${n}`);
    await clock.advance(10);
    const waiting = read("price:new", instant);
    await clock.advance(3 * SECOND);
    expect(await waiting).toMatchObject({ ok: false, error: { tag: "overloaded" } });
    await clock.advance(10 * SECOND);
    const later = read("price:later", instant);
    await clock.advance(0);
    expect(await later).toMatchObject({ ok: true });
  });

  it("of keys without a colon are one family", async () => {
    hang(64, (n) => `plain-${n}`);
    await clock.advance(10);
    const waiting = read("another", instant);
    await clock.advance(3 * SECOND);
    expect(await waiting).toMatchObject({ ok: false, error: { tag: "overloaded" } });
  });

  it("are at most 512 in an isolate, however many families there are", async () => {
    let loads = 0;
    for (let n = 0; n < 600; n += 1)
      void read(`family-${n}:1`, () => ((loads += 1), new Promise(() => undefined)));
    await clock.advance(10);
    expect(loads).toBe(512);
  });
});

describe("the time limit of a load", () => {
  it("aborts its signal and ends it as unanswered; a later result is ignored", async () => {
    let signal: AbortSignal | undefined;
    const slow: Load = async (given) => {
      signal = given;
      await clock.sleep(2 * SECOND);
      return ok(1);
    };
    const reading = read("price:1", slow, { loadTimeoutMs: SECOND });
    await clock.advance(SECOND);
    expect(await reading).toMatchObject({
      ok: false,
      error: { tag: "timed-out" },
      status: { detail: "no-answer" },
    });
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toMatchObject({ name: "TimeoutError" });
    await clock.advance(5 * SECOND);
    expect(isolate.memory.get("price:1")).toBeUndefined();
    expect(isolate.counts).toMatchObject({ loads: 1, loadErrors: 1, writes: 0 });
  });

  it("is by default twice the time that a read waits: a slow load still fills the cache", async () => {
    let aborted: number | null = null;
    const startedAt = clock.now();
    const watched: Load = (signal) => {
      signal.addEventListener("abort", () => (aborted = clock.now() - startedAt));
      return new Promise(() => undefined);
    };
    void read("price:1", watched);
    await clock.advance(20 * SECOND);
    expect(aborted).toBe(10 * SECOND);
    void read("price:2", async () => (await clock.sleep(9 * SECOND), ok(2)));
    await clock.advance(9 * SECOND);
    expect(isolate.memory.get("price:2")).toMatchObject({ value: 2 });
  });

  it("does not begin while the load waits for its turn", async () => {
    for (let n = 0; n < 64; n += 1)
      void read(`price:${n}`, async () => (await clock.sleep(SECOND), ok(1)));
    await clock.advance(10);
    const waited = read("price:new", async () => (await clock.sleep(900), ok(2)), {
      loadTimeoutMs: SECOND,
    });
    await clock.advance(3 * SECOND);
    expect(await waited).toMatchObject({ ok: true, value: 2 });
  });

  it("does not abort a load that has ended, or that failed", async () => {
    const signals: AbortSignal[] = [];
    await read("price:1", async (signal) => (signals.push(signal), ok(1)));
    await read("price:2", async (signal) => {
      signals.push(signal);
      throw new Error("down");
    });
    await clock.advance(60 * SECOND);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    expect(clock.pending).toBe(0);
  });
});

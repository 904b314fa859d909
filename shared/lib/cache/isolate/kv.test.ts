import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newIsolate, SimulatedBackends } from "../../../../test/support/cache-fleet.ts";
import { isolate, SimulatedObject } from "../../../../test/support/fleet.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import type { BreakerClient } from "../../circuit-breaker/isolate/client.ts";
import { callWithRetries, RetryBudget } from "../../circuit-breaker/isolate/retry.ts";
import { noCounts } from "../rules/counts.ts";
import { isKvFault, isRateLimit } from "../rules/faults.ts";
import { kvTier, type KvTier } from "./kv.ts";

/** KV behind the real breaker client and its retries, on a virtual clock. */

const down = new Error("KV GET failed: 500 Internal Server Error");
const limited = new Error("KV PUT failed: 429 Too Many Requests");

let clock: VirtualClock;
let client: BreakerClient;
let object: SimulatedObject;
let kv: {
  get: () => Promise<string | null>;
  put: (key: string, value: Uint8Array, options: object) => Promise<void>;
  delete: () => Promise<void>;
};
let tier: KvTier;
let calls: number;
const counts = noCounts();

beforeEach(async () => {
  vi.spyOn(console, "warn").mockReturnValue();
  Object.assign(counts, noCounts());
  clock = new VirtualClock();
  object = new SimulatedObject(clock);
  client = isolate(object, {
    policy: { timeoutMs: 5_000, calleeTimesOut: false, countsAsFailure: isKvFault },
  });
  const budget = new RetryBudget();
  const retries = { retries: 2, baseMs: 100, maxMs: 400, deadlineMs: 5_500 };
  calls = 0;
  kv = { get: async () => "text", put: async () => undefined, delete: async () => undefined };
  const counted = new Proxy(kv, {
    get: (_, name) => {
      calls += 1;
      return kv[name as "get"];
    },
  });
  tier = kvTier({
    kv: counted as unknown as KVNamespace,
    guard: (call) =>
      callWithRetries(call, { client, settings: retries, budget, clock, random: () => 0.5 }),
    countsOf: () => counts,
    clock,
    background: (work) => void work.catch(() => expect.fail("rejected in the background")),
  });
  // The breaker's first answer has arrived.
  void tier.read("warm");
  await clock.advance(100);
  calls = 0;
});
afterEach(() => void vi.restoreAllMocks());

const run = async <Value>(work: Promise<Value>, ms = 20_000): Promise<Value> => {
  await clock.advance(ms);
  return await work;
};

describe("the tier in KV", () => {
  it("tries again after a failure that passes, twice at most", async () => {
    let failures = 2;
    kv.get = async () => {
      if ((failures -= 1) >= 0) throw down;
      return "text";
    };
    expect(await run(tier.read("a"))).toEqual({ kind: "found", text: "text" });
    expect(calls).toBe(3);
    failures = 99;
    expect(await run(tier.read("a"))).toEqual({ kind: "failed", detail: "kv-error" });
    expect(calls).toBe(6);
    expect(counts.kvErrors).toBe(1);
  });

  it("makes no read wait longer than a second; one that never answers counts after five", async () => {
    kv.get = () => new Promise(() => undefined);
    const startedAt = clock.now();
    let endedAt = 0;
    const reading = tier.read("a").then((answer) => {
      endedAt = clock.now();
      return answer;
    });
    expect(await run(reading)).toEqual({ kind: "failed", detail: "kv-slow" });
    expect(endedAt - startedAt).toBe(1_000);
    expect(counts.kvErrors).toBe(1);
    const { phase } = object.memory;
    expect(
      phase.state === "CLOSED" && phase.window.reduce((sum, { failures }) => sum + failures, 0),
    ).toBe(1);
  });

  it("is not asked while its breaker is open, and the result names that", async () => {
    kv.get = async () => {
      throw down;
    };
    for (let n = 0; n < 5; n += 1) await run(tier.read("a"), 1_000);
    expect(object.memory.phase.state).toBe("OPEN");
    calls = 0;
    expect(await run(tier.read("a"), 100)).toEqual({ kind: "failed", detail: "kv-open" });
    expect(await run(tier.write("a", new Uint8Array(), 60), 100)).toBe(false);
    expect(await run(tier.delete("a"), 100)).toBe(false);
    expect(calls).toBe(0);
  });

  it("takes a refusal of a second write within a second as what it is: not stored, counted, no failure, not tried again", async () => {
    kv.put = async () => {
      throw limited;
    };
    for (let n = 0; n < 20; n += 1)
      expect(await run(tier.write("a", new Uint8Array(), 60), 100)).toBe(false);
    expect(calls).toBe(20);
    expect(counts).toMatchObject({ kvRateLimited: 20, kvErrors: 0 });
    expect(object.memory.phase.state).toBe("CLOSED");
  });

  it("deletes hundreds of keys without a failure, though the platform runs six calls at a time", async () => {
    const slots = { free: 6 };
    kv.delete = async () => {
      while (slots.free === 0) await clock.sleep(5);
      slots.free -= 1;
      await clock.sleep(300);
      slots.free += 1;
    };
    const { cache } = newIsolate(new SimulatedBackends(clock), { kv: tier });
    const keys = Array.from({ length: 200 }, (_, n) => `user:${n}`);
    expect(await run(cache.deleteFromKv(keys))).toEqual([]);
    expect(counts.kvErrors).toBe(0);
    expect(object.memory.phase.state).toBe("CLOSED");
  });

  it("stores keys that are too long under their hash", async () => {
    const names: string[] = [];
    kv.put = async (key) => void names.push(key);
    await run(tier.write("k".repeat(600), new Uint8Array(), 60));
    expect(names).toEqual([expect.stringMatching(/^sha256:[0-9a-f]{64}$/)]);
  });
});

describe("an error of KV", () => {
  it.each([
    ["KV GET failed: 500 Internal Server Error", true],
    ["KV PUT failed: 507 Insufficient Storage", true],
    ["KV GET failed: 503 Service Unavailable", true],
    ["Network connection lost.", true],
    ["internal error; reference = x", true],
    ["KV PUT failed: 429 Too Many Requests", false],
    ["KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.", false],
    ["KV GET failed: 414 UTF-8 encoded length of 600 exceeds key length limit of 512.", false],
    ["KV PUT failed: 400 Invalid expiration_ttl of 1", false],
    ["x is not a function", false],
  ])("%s: counts as a failure of KV: %s", (message, fault) => {
    expect(isKvFault(new Error(message))).toBe(fault);
    expect(isRateLimit(new Error(message))).toBe(message.includes("429"));
  });

  it("that is no error of KV counts as no failure of KV, and a timeout does", () => {
    expect(isKvFault("text")).toBe(false);
    expect(isKvFault(new DOMException("late", "TimeoutError"))).toBe(true);
  });
});

import fc from "fast-check";
import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  newIsolate,
  rejections,
  SimulatedBackends,
  type SimulatedIsolate,
} from "../../../../test/support/cache-fleet.ts";
import { runs } from "../../../../test/support/seed.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { ok } from "../../base/result.ts";
import { cacheStatusField } from "../rules/cache-status.ts";
import type { CacheRead, ReadOptions } from "../rules/read.ts";

/** Each duration has one meaning, or is refused by its name; nothing unreadable is written. */

const SECOND = 1_000;
const DAY = 86_400 * SECOND;
const schema = v.number();

let clock: VirtualClock;
let backends: SimulatedBackends;
let isolate: SimulatedIsolate;
let loads: number;
beforeEach(() => {
  clock = new VirtualClock();
  backends = new SimulatedBackends(clock);
  isolate = another();
  loads = 0;
  vi.spyOn(console, "error").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
  expect(rejections).toEqual([]);
});

const another = () => newIsolate(backends, { random: () => 0 });

/** As JavaScript may pass them. */
type Given = { [name in keyof ReadOptions<number, never>]?: unknown };
const read = async (given: Given, by = isolate): Promise<CacheRead<number, never>> => {
  const load = async () => ok((loads += 1));
  const options = { schema, tags: [], load, ...given } as ReadOptions<number, never>;
  const answer = await by.cache.read("price:1", options);
  await clock.advance(0);
  return answer;
};
const status = ({ status: how }: CacheRead<number, never>): string => cacheStatusField(how, "luna");

const durations = [
  "ttlMs",
  "negativeTtlMs",
  "staleWhileRevalidateMs",
  "staleIfErrorMs",
  "loadTimeoutMs",
] as const;

describe("a duration", () => {
  it.each(durations)("that is %s: undefined counts as left out", async (name) => {
    await read({ [name]: undefined });
    await clock.advance(299 * SECOND);
    expect(status(await read({ [name]: undefined }, another()))).toContain("hit; ttl=1; detail=l2");
  });

  it.each(durations.flatMap((name) => [NaN, null, "300", {}].map((bad) => [name, bad] as const)))(
    "is refused by name where it is no number: %s %j",
    async (name, bad) => {
      const answer = await read({ [name]: bad });
      expect(answer).toMatchObject({
        ok: false,
        error: { tag: "threw", error: { message: `${name} must be a number of milliseconds` } },
        status: { detail: "no-answer" },
      });
      expect(loads).toBe(0);
      expect(backends.kvWrites.size).toBe(0);
    },
  );

  it.each([0, -1, -Infinity])(
    "of a life of %d keeps nothing: each read is a load",
    async (ttlMs) => {
      expect(status(await read({ ttlMs }))).toBe("luna; fwd=uri-miss");
      expect(status(await read({ ttlMs }))).toBe("luna; fwd=uri-miss");
      expect([loads, backends.kvWrites.size]).toEqual([2, 0]);
    },
  );

  it.each([0, -1])("of 'not found' of %d keeps no absence", async (negativeTtlMs) => {
    const load = async () => ok(((loads += 1), null));
    expect(status(await read({ negativeTtlMs, load }))).toBe("luna; fwd=uri-miss");
    await read({ negativeTtlMs, load });
    expect([loads, backends.kvWrites.size]).toEqual([2, 0]);
  });

  it.each([Infinity, 400 * DAY, DAY])("of a life of %d is a day in every tier", async (ttlMs) => {
    await read({ ttlMs });
    expect(status(await read({ ttlMs }))).toBe("luna; hit; ttl=86400; detail=l1");
    expect(status(await read({ ttlMs }, another()))).toBe("luna; hit; ttl=86400; detail=l2");
    await clock.advance(DAY + 61 * SECOND);
    await read({ ttlMs, consistency: "bounded" });
    expect(loads).toBe(2);
  });

  it.each([0, -5])("of a grace of %d is none", async (none) => {
    await read({ ttlMs: SECOND });
    await clock.advance(SECOND);
    expect(status(await read({ ttlMs: SECOND, staleWhileRevalidateMs: none }))).toContain(
      "fwd=stale",
    );
    await clock.advance(2 * SECOND);
    const down = {
      staleIfErrorMs: none,
      staleWhileRevalidateMs: none,
      load: () => Promise.reject(),
    };
    expect((await read({ ttlMs: SECOND, ...down })).ok).toBe(false);
  });

  it.each([0, -1])("of a load of %d is refused by name: nothing could be loaded", async (ms) => {
    expect(await read({ loadTimeoutMs: ms })).toMatchObject({
      error: { error: { message: "loadTimeoutMs must be more than 0" } },
    });
  });

  it("of a load is at most 30 seconds, after which the runtime ends it", async () => {
    let reason: unknown;
    const load = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => (reason = signal.reason));
      return new Promise(() => undefined);
    };
    void read({ loadTimeoutMs: Infinity, load });
    await clock.advance(30 * SECOND);
    expect(reason).toMatchObject({ message: "no result within 30000 ms" });
  });
});

it("no durations, tags or key make an entry that another isolate calls corrupt", async () => {
  const warned = vi.spyOn(console, "warn").mockReturnValue();
  const duration = fc.constantFrom(
    undefined,
    NaN,
    0,
    -1,
    0.4,
    1.5,
    999.9,
    60_000,
    1e9,
    1e300,
    Infinity,
    -Infinity,
  );
  const text = fc.oneof(fc.string(), fc.constantFrom("", "*", "cat \ud83c", "a".repeat(1_025)));
  await fc.assert(
    fc.asyncProperty(
      fc.record(Object.fromEntries(durations.map((name) => [name, duration]))),
      fc.array(text, { maxLength: 4 }),
      text,
      fc.constantFrom(null, 1),
      async (given, tags, key, value) => {
        const own = new SimulatedBackends(new VirtualClock());
        const options = { schema, tags, load: async () => ok(value), ...given };
        await newIsolate(own).cache.read(key, options);
        await own.clock.advance(2 * SECOND);
        const reader = newIsolate(own);
        await reader.cache.read(key, { schema, tags: [], load: async () => ok(value) });
        expect(reader.counts.corrupt).toBe(0);
        for (const { key: name, tags: registered } of own.index.stored)
          for (const tag of [name, ...registered]) expect(["", "*"]).not.toContain(tag);
      },
    ),
    { numRuns: runs },
  );
  expect(rejections).toEqual([]);
  warned.mockRestore();
});

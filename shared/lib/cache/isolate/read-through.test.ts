import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  newIsolate,
  rejections,
  SimulatedBackends,
  type IsolateOptions,
  type SimulatedIsolate,
} from "../../../../test/support/cache-fleet.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { cacheStatusField } from "../rules/cache-status.ts";
import type { CacheRead, Keep, ReadOptions } from "../rules/read.ts";

type Value = { n: number; list?: { deep: number }[] };
const schema = v.object({
  n: v.number(),
  list: v.exactOptional(v.array(v.object({ deep: v.number() }))),
});
const TTL_MS = 300_000;
const SECOND = 1_000;

let clock: VirtualClock;
let backends: SimulatedBackends;
let isolate: SimulatedIsolate;
beforeEach(() => {
  clock = new VirtualClock();
  backends = new SimulatedBackends(clock);
  // No jitter unless a test wants it.
  isolate = another();
});
afterEach(() => expect(rejections).toEqual([]));

const another = (options: IsolateOptions = {}) =>
  newIsolate(backends, { random: () => 0, ...options });

/** An origin that tests steer: what it holds, how long it takes, whether it answers. */
const origin = (changes: Partial<{ value: Value | null; ms: number; down: boolean }> = {}) => {
  const state = { value: { n: 1 } as Value | null, ms: 0, down: false, loads: 0, ...changes };
  const load = async (): Promise<Result<Value | null, "down">> => {
    state.loads += 1;
    const { value, down } = state;
    if (state.ms > 0) await clock.sleep(state.ms);
    return down ? fail("down") : ok(value);
  };
  return Object.assign(state, { load });
};

type Options = Partial<ReadOptions<Value, "down">>;
const read = (
  from: ReturnType<typeof origin>,
  options: Options = {},
  key = "user:1",
  by: SimulatedIsolate = isolate,
): Promise<CacheRead<Value, "down">> =>
  by.cache.read<Value, "down">(key, { schema, load: from.load, tags: ["user:1"], ...options });

/** A read with the time that it needs. */
const readNow = async (...args: Parameters<typeof read>): Promise<CacheRead<Value, "down">> => {
  const reading = read(...args);
  await clock.advance(30 * SECOND);
  return await reading;
};
const status = ({ status: how }: CacheRead<Value, "down">): string => cacheStatusField(how, "luna");
const valueOf = (answer: CacheRead<Value, "down">): Value | null =>
  answer.ok ? answer.value : expect.fail();

describe("a read", () => {
  it("is answered by the origin, then by memory, and in another isolate by KV; Cache-Status names which", async () => {
    const from = origin();
    expect(status(await read(from))).toBe("luna; fwd=uri-miss; stored");
    await clock.advance(88 * SECOND);
    expect(status(await read(from))).toBe("luna; hit; ttl=212; detail=l1");
    const other = another();
    expect(status(await read(from, {}, "user:1", other))).toBe("luna; hit; ttl=212; detail=l2");
    expect(status(await read(from, {}, "user:1", other))).toBe("luna; hit; ttl=212; detail=l1");
    expect(from.loads).toBe(1);
  });

  it("of what there is not is remembered, but only for ten seconds", async () => {
    const from = origin({ value: null });
    expect(valueOf(await read(from))).toBeNull();
    expect(status(await read(from))).toBe("luna; hit; ttl=10; detail=l1");
    expect(status(await read(from, {}, "user:1", another()))).toBe("luna; hit; ttl=10; detail=l2");
    from.value = { n: 2 };
    await clock.advance(10 * SECOND);
    expect(valueOf(await read(from))).toEqual({ n: 2 });
  });

  it("of what there is no longer forgets what there was, and the other way round", async () => {
    const from = origin();
    await read(from);
    from.value = null;
    await clock.advance(TTL_MS + 100 * SECOND);
    await read(from);
    expect(status(await read(from))).toBe("luna; hit; ttl=10; detail=l1");
    from.value = { n: 2 };
    await clock.advance(11 * SECOND);
    await read(from);
    expect(status(await read(from))).toBe("luna; hit; ttl=300; detail=l1");
  });

  it("of what there is not stays out of KV where strangers could fill it", async () => {
    const from = origin({ value: null });
    await read(from, { negativeIn: "memory" });
    expect(backends.kvWrites.size).toBe(0);
    expect(status(await read(from, { negativeIn: "memory" }))).toContain("hit");
  });

  it("returns what JSON keeps, the same from every tier", async () => {
    const loose = { n: 1, list: [{ deep: 1 }], gone: undefined } as Value;
    const answers = [
      await read(origin({ value: loose })),
      await read(origin()),
      await read(origin(), {}, "user:1", another()),
    ];
    for (const answer of answers) expect(Object.keys(valueOf(answer) ?? {})).toEqual(["n", "list"]);
  });

  it("is isolated: what a caller does to an answer, or a loader to what it returned, changes no other answer", async () => {
    const loaded: Value = { n: 1, list: [{ deep: 1 }] };
    const first = valueOf(await read(origin({ value: loaded })));
    loaded.n = 99;
    expect(() => Object.assign(first ?? {}, { n: 2 })).toThrow(TypeError);
    expect(() => first?.list?.push({ deep: 2 })).toThrow(TypeError);
    expect(() => Object.assign(first?.list?.[0] ?? {}, { deep: 2 })).toThrow(TypeError);
    expect(valueOf(await read(origin()))).toEqual({ n: 1, list: [{ deep: 1 }] });
  });

  it("with another schema never gets a value of the first", async () => {
    await read(origin());
    const other = v.object({ name: v.string() });
    const load = async () => ok({ name: "ada" });
    const answer = await isolate.cache.read("user:1", { schema: other, load, tags: [] });
    expect(answer).toMatchObject({ ok: true, value: { name: "ada" } });
    const [slow, slower] = [
      origin({ ms: 50 }),
      async () => (await clock.sleep(50), ok({ name: "eve" })),
    ];
    const [first, second] = [
      read(slow, {}, "both"),
      isolate.cache.read("both", { schema: other, load: slower, tags: [] }),
    ];
    await clock.advance(200);
    expect([await first, await second]).toMatchObject([
      { value: { n: 1 } },
      { value: { name: "eve" } },
    ]);
  });

  it("with a schema that is made again each time is cached and collapsed all the same", async () => {
    const from = origin({ ms: 50 });
    const fresh = (): Options => ({ schema: v.object({ n: v.number() }) });
    const reads = Array.from({ length: 10 }, () => read(from, fresh()));
    await clock.advance(100);
    await Promise.all(reads);
    expect(status(await read(from, fresh()))).toContain("hit");
    expect(from.loads).toBe(1);
  });

  it("whose value does not fit its schema is a failure: logged, not kept, and not loaded again at once", async () => {
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const from = origin({ value: { n: "one" } as unknown as Value });
    for (let n = 0; n < 10; n += 1) {
      const answer = await read(from, n % 2 === 0 ? {} : { schema: v.object({ n: v.number() }) });
      expect(answer).toMatchObject({
        ok: false,
        error: { tag: "threw" },
        status: { detail: "no-answer" },
      });
    }
    expect(from.loads).toBe(1);
    expect(isolate.memory.get("user:1")).toBeUndefined();
    expect(logged.mock.calls.join()).toContain("cache.value_refused");
    logged.mockRestore();
  });

  it("whose loader throws, or returns what is no JSON, is a failure and not an exception", async () => {
    const load = async (): Promise<never> => {
      throw new Error("a defect");
    };
    expect(await isolate.cache.read("a", { schema, load, tags: [] })).toMatchObject({
      ok: false,
      error: { tag: "threw" },
    });
    const huge = async () => ok({ n: 1n } as unknown as Value);
    expect(await isolate.cache.read("b", { schema, load: huge, tags: [] })).toMatchObject({
      ok: false,
      error: { tag: "threw" },
    });
  });
});

describe("a crowd", () => {
  it("of a thousand that miss at once makes one load and one read of KV in each isolate", async () => {
    const from = origin({ ms: 50 });
    const second = another();
    const reads = Array.from({ length: 2_000 }, (_, n) =>
      read(from, {}, "user:1", n % 2 === 0 ? isolate : second),
    );
    await clock.advance(100);
    const answers = await Promise.all(reads);
    expect(answers.every((answer) => valueOf(answer)?.n === 1)).toBe(true);
    expect(from.loads).toBe(2);
    expect(backends.kvReads).toBe(2);
    expect(answers.filter((answer) => status(answer).includes("collapsed"))).toHaveLength(1_998);
  });

  it("makes one load though KV is down and the load outlasts the view", async () => {
    backends.condition.kv = "throws";
    const from = origin({ ms: 2_500 });
    const reads = Array.from({ length: 1_000 }, () => read(from));
    await clock.advance(3 * SECOND);
    expect((await Promise.all(reads)).every((answer) => valueOf(answer)?.n === 1)).toBe(true);
    expect(from.loads).toBe(1);
  });

  it("of strangers who ask for what there is not pushes out nothing that there is", async () => {
    await read(origin());
    const nothing = origin({ value: null });
    for (let n = 0; n < 30_000; n += 1)
      await read(nothing, { negativeIn: "memory" }, `nobody:${n}`);
    expect(status(await read(origin()))).toContain("hit");
    expect(isolate.memory.bytes).toBeLessThan(2 * 1_024 * 1_024);
  });

  it("before an origin that fails costs it one call, and then ever fewer, with jitter", async () => {
    const from = origin({ ms: 10, down: true });
    const reads = Array.from({ length: 50 }, () => read(from));
    await clock.advance(100);
    expect(
      (await Promise.all(reads)).every((answer) => !answer.ok && answer.error === "down"),
    ).toBe(true);
    expect(from.loads).toBe(1);
    const calledAt: number[] = [];
    for (let ms = 0; ms < 20 * SECOND; ms += 20) {
      const before = from.loads;
      void read(from);
      await clock.advance(20);
      if (from.loads > before) calledAt.push(ms);
    }
    // After about 0.2, 0.4, 0.8, 1.6, 3.2 s, then every 5 s: less a fifth, since the jitter drawn
    // here is the smallest.
    const gaps = calledAt.slice(1).map((at, n) => at - (calledAt[n] ?? 0));
    expect(gaps.slice(0, 4).map((gap) => Math.round(gap / 160))).toEqual([2, 4, 8, 16]);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(4_100);
    from.down = false;
    await clock.advance(6 * SECOND);
    expect((await readNow(from)).ok).toBe(true);
  });

  it("is not stranded by a leader that dies: a reader that waits loads for itself", async () => {
    const dead: Options = { load: () => new Promise(() => undefined) };
    void read(origin(), dead);
    await clock.advance(SECOND);
    const from = origin();
    const followers = Array.from({ length: 100 }, () => read(from));
    await clock.advance(5 * SECOND);
    const answers = await Promise.all(followers);
    expect(answers.map(valueOf)).toEqual(followers.map(() => ({ n: 1 })));
    expect(from.loads).toBe(1);
  });

  it("before an origin that never answers fails within two timeouts each", async () => {
    const never: Options = { load: () => new Promise(() => undefined) };
    let answered = 0;
    const ask = async (): Promise<void> => {
      expect(await read(origin(), never)).toMatchObject({ ok: false, error: { tag: "timed-out" } });
      answered += 1;
    };
    const asked = Array.from({ length: 1_000 }, ask);
    await clock.advance(10 * SECOND);
    expect(answered).toBe(1_000);
    await Promise.all(asked);
  });

  it("finds the origin again at once when it is a breaker that rejected: the origin was not asked", async () => {
    const rejected = { load: async () => fail({ tag: "circuit-open" as const }) };
    for (let n = 0; n < 10; n += 1)
      await isolate.cache.read("user:1", { schema, tags: [], ...rejected });
    expect(valueOf(await read(origin()))).toEqual({ n: 1 });
  });

  it("before an origin that failed and recovered is patient with it from the beginning", async () => {
    const from = origin({ down: true });
    for (let n = 0; n < 6; n += 1) {
      await read(from);
      await clock.advance(6 * SECOND);
    }
    from.down = false;
    await read(from);
    await isolate.cache.purge(["user:1"]);
    from.down = true;
    await read(from);
    from.down = false;
    await clock.advance(300);
    expect((await read(from)).ok).toBe(true);
  });

  it("joins the load of now though an older one, given up long ago, ends meanwhile", async () => {
    void read(origin({ ms: 7 * SECOND }), { ttlMs: SECOND });
    await clock.advance(6 * SECOND);
    const from = origin({ ms: 3 * SECOND });
    const first = read(from);
    await clock.advance(2 * SECOND);
    const second = read(from);
    await clock.advance(3 * SECOND);
    await Promise.all([first, second]);
    expect(from.loads).toBe(1);
  });

  it("of different keys loads 64 at a time, and the rest in turn", async () => {
    const from = origin({ ms: 100 });
    const reads = Array.from({ length: 200 }, (_, n) => read(from, {}, `user:${n}`));
    await clock.advance(50);
    expect(from.loads).toBe(64);
    await clock.advance(SECOND);
    expect((await Promise.all(reads)).every(({ ok: answered }) => answered)).toBe(true);
    expect(from.loads).toBe(200);
  });

  it("that waits too long in the queue fails", async () => {
    const stuck: Options = { load: () => new Promise(() => undefined) };
    for (let n = 0; n < 64; n += 1) void read(origin(), stuck, `stuck:${n}`);
    await clock.advance(10);
    const waiting = read(origin(), {}, "stuck:last");
    await clock.advance(6 * SECOND);
    expect(await waiting).toMatchObject({ ok: false, error: { tag: "overloaded" } });
  });
});

describe("a value that is getting old", () => {
  it("is renewed early, in the last fifth of its life, at a moment that each isolate draws for itself", async () => {
    const refreshedAt = async (random: number): Promise<number> => {
      const one = another({ random: () => random });
      const from = origin();
      await read(from, {}, `early:${random}`, one);
      for (let second = 0; ; second += 1) {
        await read(from, {}, `early:${random}`, one);
        await clock.advance(SECOND);
        if (from.loads > 1) return second;
      }
    };
    // Jitter shortens the life by up to a tenth: 270 s, of which the last fifth begins at 216.
    expect(await refreshedAt(0.999)).toBeCloseTo(216, -1);
    expect(await refreshedAt(0.5)).toBeCloseTo(256, -1);
  });

  it("is served while it is revalidated, to all of a crowd at once, marked as stale", async () => {
    const from = origin();
    await read(from);
    await clock.advance(TTL_MS + 3 * SECOND);
    from.value = { n: 2 };
    from.ms = 100;
    const answers = await Promise.all(Array.from({ length: 20 }, () => read(from)));
    expect(new Set(answers.map(status))).toEqual(new Set(["luna; hit; ttl=-3; detail=l1"]));
    await clock.advance(200);
    expect(valueOf(await read(from))).toEqual({ n: 2 });
    expect(from.loads).toBe(2);
  });

  it("is not served for longer than its grace, but loaded again", async () => {
    const from = origin();
    await read(from, { staleWhileRevalidateMs: 5 * SECOND });
    await clock.advance(TTL_MS + 6 * SECOND);
    from.value = { n: 2 };
    const answer = await read(from, { staleWhileRevalidateMs: 5 * SECOND });
    expect([status(answer), valueOf(answer)]).toEqual(["luna; fwd=stale; stored", { n: 2 }]);
  });

  it("takes what another isolate has renewed from KV, rather than load it again", async () => {
    const from = origin();
    await read(from);
    await read(from, {}, "user:1", another());
    await clock.advance(TTL_MS + SECOND);
    const quick = another();
    from.value = { n: 2 };
    await read(from, {}, "user:1", quick);
    expect(from.loads).toBe(2);
    expect(status(await read(from))).toContain("ttl=-1");
    await clock.advance(10);
    expect(valueOf(await read(from))).toEqual({ n: 2 });
    expect(from.loads).toBe(2);
  });

  it("is served when the origin fails, for as long as the grace for that lasts and no longer", async () => {
    const from = origin();
    await read(from);
    from.down = true;
    const options = { staleWhileRevalidateMs: 0, staleIfErrorMs: 60 * SECOND };
    await clock.advance(TTL_MS + 50 * SECOND);
    expect(status(await readNow(from, options))).toBe("luna; fwd=stale; detail=origin-error");
    await clock.advance(SECOND);
    expect(await readNow(from, options)).toMatchObject({
      ok: false,
      error: "down",
      status: { detail: "no-answer" },
    });
  });

  it("keeps all of that grace although jitter shortened its life", async () => {
    const shortLived = another({ random: () => 0.999 });
    const from = origin();
    await read(from, {}, "user:1", shortLived);
    from.down = true;
    await clock.advance(TTL_MS + 59 * SECOND);
    const options = { staleWhileRevalidateMs: 0, staleIfErrorMs: 60 * SECOND };
    expect(status(await read(from, options, "user:1", shortLived))).toBe(
      "luna; fwd=stale; detail=origin-error",
    );
  });

  it("is served from KV when this isolate has nothing and the origin fails or hangs", async () => {
    const from = origin();
    await read(from);
    await clock.advance(TTL_MS + 100 * SECOND);
    expect(status(await readNow(origin({ down: true }), {}, "user:1", another()))).toBe(
      "luna; fwd=stale; detail=origin-error",
    );
    expect(status(await readNow(origin({ ms: 20 * SECOND }), {}, "user:1", another()))).toBe(
      "luna; fwd=stale; detail=origin-error",
    );
  });

  it("is never served where that is not wanted: then there is no answer", async () => {
    const from = origin();
    await read(from);
    await clock.advance(TTL_MS + SECOND);
    from.down = true;
    expect(await readNow(from, { consistency: "bounded" })).toMatchObject({
      ok: false,
      error: "down",
    });
  });

  it("is not served as an error's answer when its answer is that there is no such thing", async () => {
    const from = origin({ value: null });
    await read(from);
    await clock.advance(11 * SECOND);
    from.down = true;
    expect((await readNow(from)).ok).toBe(false);
  });

  it("that failed to be renewed leaves no flight behind, and is tried again later", async () => {
    const from = origin();
    await read(from);
    await clock.advance(TTL_MS + SECOND);
    from.down = true;
    expect(status(await read(from))).toContain("hit");
    await clock.advance(SECOND);
    from.down = false;
    from.value = { n: 2 };
    await read(from);
    await clock.advance(SECOND);
    expect(valueOf(await read(from))).toEqual({ n: 2 });
  });

  it("is not kept if it has expired by the time that it is loaded", async () => {
    const from = origin({ ms: 2 * SECOND });
    const answer = await readNow(from, { ttlMs: SECOND, staleWhileRevalidateMs: 0 });
    expect([status(answer), valueOf(answer)]).toEqual(["luna; fwd=uri-miss", { n: 1 }]);
    expect(isolate.memory.get("user:1")).toBeUndefined();
  });
});

describe("a fallback", () => {
  it("answers when neither the origin nor anything older does, and is not kept", async () => {
    const from = origin({ down: true });
    const answer = await readNow(from, { fallback: () => ({ n: 0 }) });
    expect([status(answer), valueOf(answer)]).toEqual([
      "luna; fwd=uri-miss; detail=fallback",
      { n: 0 },
    ]);
    from.down = false;
    await clock.advance(SECOND);
    expect(valueOf(await read(from, { fallback: () => ({ n: 0 }) }))).toEqual({ n: 1 });
    expect(isolate.counts).toMatchObject({ fallbacks: 1, misses: 2 });
  });

  it("comes after what is stale", async () => {
    const from = origin();
    await read(from);
    await clock.advance(TTL_MS + 100 * SECOND);
    from.down = true;
    expect(valueOf(await readNow(from, { fallback: () => ({ n: 0 }) }))).toEqual({ n: 1 });
  });

  it("that throws is logged, and the origin's failure stands", async () => {
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const fallback = (): never => {
      throw new Error("a defect");
    };
    expect(await readNow(origin({ down: true }), { fallback })).toMatchObject({
      ok: false,
      error: "down",
    });
    expect(logged.mock.calls.join()).toContain("cache.fallback_failed");
    logged.mockRestore();
  });
});

describe("tags", () => {
  it("may be known only after the load", async () => {
    const from = origin();
    await read(from, { tags: (value) => [`n:${value?.n}`] }, "email:a");
    await isolate.cache.purge(["n:2"]);
    expect(status(await read(from, {}, "email:a"))).toContain("hit");
    await isolate.cache.purge(["n:1"]);
    expect(status(await read(from, {}, "email:a"))).toContain("fwd");
  });

  it("may change from one write to the next: only those of the last one count", async () => {
    const from = origin();
    const options: Options = { tags: (value) => [`n:${value?.n}`] };
    await read(from, options, "email:a");
    from.value = { n: 2 };
    await isolate.cache.purge(["email:a"]);
    await read(from, options, "email:a");
    await isolate.cache.purge(["n:1"]);
    expect(status(await read(from, options, "email:a"))).toContain("hit");
    await isolate.cache.purge(["n:2"]);
    expect(status(await read(from, options, "email:a"))).toContain("fwd");
  });
});

describe("an entry of KV", () => {
  const corrupt = {
    "is no JSON": "{",
    "is another key's": (text: string) => text.replaceAll("user:1", "user:2"),
  };
  it.each(Object.entries(corrupt))(
    "that %s is a miss, is counted, is deleted and counts as no failure of KV",
    async (_, how) => {
      const warned = vi.spyOn(console, "warn").mockReturnValue();
      const from = origin();
      await read(from);
      backends.putKv(
        "user:1",
        typeof how === "string" ? how : how(backends.kvText("user:1") ?? ""),
      );
      const other = another();
      const reading = read(from, {}, "user:1", other);
      expect(status(await reading)).toBe("luna; fwd=uri-miss; stored; detail=kv-corrupt");
      expect(other.counts).toMatchObject({ corrupt: 1, kvErrors: 0 });
      await clock.advance(10);
      expect(backends.kvWrites.get("user:1")?.some(({ text }) => text === null)).toBe(true);
      warned.mockRestore();
    },
  );

  it("is not written when it would be larger than KV takes, which is counted", async () => {
    const warned = vi.spyOn(console, "warn").mockReturnValue();
    const large = v.object({ text: v.string() });
    const load = async () => ok({ text: "x".repeat(25 * 1_024 * 1_024) });
    const answer = await isolate.cache.read("large", { schema: large, load, tags: [] });
    expect(answer.ok).toBe(true);
    await clock.advance(10);
    expect(backends.kvWrites.size).toBe(0);
    expect(isolate.counts.tooLarge).toBe(1);
    warned.mockRestore();
  });

  it("that was written under a clock from the future is never fresh", async () => {
    const from = origin();
    await read(from);
    const text = (backends.kvText("user:1") ?? "").replace(
      /"createdAt":\d+/,
      `"createdAt":${clock.now() + 86_400_000}`,
    );
    backends.putKv("user:1", text);
    expect(status(await read(from, {}, "user:1", another()))).toBe("luna; fwd=uri-miss; stored");
  });
});

describe("what a load finds for other keys", () => {
  const keeping =
    (from: ReturnType<typeof origin>, kept: () => unknown = () => ({ n: 7 })) =>
    async (_signal: AbortSignal, keep: Keep) => {
      const loaded = await from.load();
      keep("user:1:usage", kept() as Value, { schema, tags: ["user:1"] });
      return loaded;
    };
  const readUsage = (from: ReturnType<typeof origin>, by = isolate) =>
    readNow(from, {}, "user:1:usage", by);

  it("answers their next reads from memory, as old as the load, and goes to no KV", async () => {
    await readNow(origin(), { load: keeping(origin()) });
    const usage = origin({ value: { n: 1 } });
    const answer = await read(usage, {}, "user:1:usage");
    expect([valueOf(answer), status(answer)]).toEqual([{ n: 7 }, "luna; hit; ttl=270; detail=l1"]);
    expect(usage.loads).toBe(0);
    expect([...backends.kvWrites.keys()]).toEqual(["user:1"]);
    expect(valueOf(await readUsage(usage, another()))).toEqual({ n: 1 });
  });

  it("is gone with a purge of its tags, and with one that comes during the load", async () => {
    await readNow(origin(), { load: keeping(origin()) });
    await isolate.cache.purge(["user:1"]);
    const usage = origin({ value: { n: 2 } });
    expect(valueOf(await readUsage(usage))).toEqual({ n: 2 });

    const slow = origin({ ms: 5 * SECOND });
    await isolate.cache.purge(["user:1"]);
    const reading = read(slow, { load: keeping(slow) });
    await clock.advance(SECOND);
    await isolate.cache.purge(["user:1"]);
    await clock.advance(30 * SECOND);
    await reading;
    usage.value = { n: 3 };
    expect(valueOf(await readUsage(usage))).toEqual({ n: 3 });
  });

  it("never replaces a value that was loaded later", async () => {
    const slow = origin({ ms: 4 * SECOND });
    const reading = read(slow, { load: keeping(slow) });
    await clock.advance(SECOND);
    await readUsage(origin({ value: { n: 9 } }));
    await reading;
    expect(valueOf(await readUsage(origin()))).toEqual({ n: 9 });
  });

  it("is not kept if the load fails, or if it does not fit its schema; the read is answered", async () => {
    const down = origin({ down: true });
    await readNow(down, { load: keeping(down) });
    expect(valueOf(await readUsage(origin({ value: { n: 4 } })))).toEqual({ n: 4 });
    await isolate.cache.purge(["user:1"]);
    vi.spyOn(console, "error").mockReturnValue();
    const answer = await readNow(origin(), { load: keeping(origin(), () => ({ n: "seven" })) });
    expect(valueOf(answer)).toEqual({ n: 1 });
    expect(valueOf(await readUsage(origin({ value: { n: 5 } })))).toEqual({ n: 5 });
  });
});

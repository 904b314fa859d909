import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  newIsolate,
  rejections,
  SimulatedBackends,
  type SimulatedIsolate,
} from "../../../../test/support/cache-fleet.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { ok } from "../../base/result.ts";
import { cacheStatusField } from "../rules/cache-status.ts";
import type { Keep } from "../rules/read.ts";

/** A value is kept only if JSON keeps it. It is answered in any case. */

let clock: VirtualClock;
let backends: SimulatedBackends;
let isolate: SimulatedIsolate;
let logged: string[];
beforeEach(() => {
  clock = new VirtualClock();
  backends = new SimulatedBackends(clock);
  isolate = newIsolate(backends);
  logged = [];
  vi.spyOn(console, "warn").mockImplementation((line: string) => void logged.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  expect(rejections).toEqual([]);
});

const read = async (
  value: unknown,
  { schema = v.unknown(), tags = [] }: { schema?: v.GenericSchema; tags?: string[] } = {},
) => {
  const load = async () => ok(value);
  const answer = await isolate.cache.read("a:1", { schema, tags, load });
  await clock.advance(10);
  return { answer, status: cacheStatusField(answer.status, "luna") };
};

class Money {
  cents = 1;
}
const cycle: { self?: unknown } = {};
cycle.self = cycle;

describe("a value that JSON would change", () => {
  it.each<[string, unknown]>([
    ["value", NaN],
    ["value", new Map()],
    ["n", { n: NaN }],
    ["n", { n: Infinity }],
    ["list.1.at", { list: [1, { at: new Date(0) }] }],
    ["set", { set: new Set([1]) }],
    ["call", { call: () => 1 }],
    ["big", { big: 1n }],
    ["price", { price: new Money() }],
    ["list.1", { list: [1, undefined] }],
    ["list.1", { list: [1, , 3] }], // oxlint-disable-line no-sparse-arrays
    ["bytes", { bytes: new Uint8Array([1]) }],
    ["self", cycle],
    ["own", { own: { toJSON: () => 1 } }],
    ["value", { [Symbol("s")]: 1 }],
    ["by.*.at", { by: { "ada@example.com": { at: new Date(0) } } }],
  ])(
    "is answered as it was loaded and not kept; the log names its place: %s",
    async (path, value) => {
      const { answer, status } = await read(value);
      expect(answer).toMatchObject({ ok: true });
      expect(answer.ok && answer.value).toEqual(value);
      expect(status).toBe("luna; fwd=uri-miss");
      expect(isolate.memory.get("a:1")).toBeUndefined();
      expect(backends.kvWrites.size).toBe(0);
      expect(isolate.counts).toMatchObject({ unstorable: 1, loads: 1 });
      expect(logged.map((line) => JSON.parse(line) as unknown)).toEqual([
        { level: "warn", event: "cache.not_json", path },
      ]);
    },
  );

  it("is kept if its schema makes of it what JSON keeps", async () => {
    const schema = v.object({ cents: v.number() });
    expect((await read(new Money(), { schema })).status).toContain("stored");
    expect((await read(new Money(), { schema })).status).toContain("hit");
  });

  it("is not kept either if its schema makes it", async () => {
    const schema = v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
    );
    const { answer, status } = await read("2026-01-01T00:00:00.000Z", { schema });
    expect(answer.ok && answer.value).toEqual(new Date("2026-01-01T00:00:00.000Z"));
    expect(status).toBe("luna; fwd=uri-miss");
  });
});

it("a value that JSON keeps is the same from every tier, without what is undefined", async () => {
  const value = { n: -1.5e300, text: "cat \ud83c", none: null, list: [[], {}], gone: undefined };
  const { gone: _, ...kept } = value;
  const first = await read(value);
  expect([first.status, first.answer.ok && first.answer.value]).toEqual([
    "luna; fwd=uri-miss; stored",
    kept,
  ]);
  isolate = newIsolate(backends);
  const second = await read(value);
  expect([second.status, second.answer.ok && second.answer.value]).toEqual([
    expect.stringContaining("l2"),
    kept,
  ]);
  expect(isolate.counts.unstorable).toBe(0);
});

describe("Cache-Status", () => {
  it.each([
    ["is kept in memory", 100, "luna; fwd=uri-miss; stored"],
    ["is too large for memory, and KV has it only later", 2_000_000, "luna; fwd=uri-miss"],
    ["is too large for KV", 26_300_000, "luna; fwd=uri-miss"],
  ])(
    "has 'stored' only of a value that was stored when it is answered: it %s",
    async (_, size, said) => {
      const { status } = await read("x".repeat(size));
      expect(status).toBe(said);
      expect(isolate.counts.tooLarge).toBe(size > 26_000_000 ? 1 : 0);
    },
  );
});

describe("an entry that could not be purged", () => {
  it.each<[string, string[], string]>([
    ["has an empty tag", ["good", ""], "tags.1 is empty"],
    ["has the tag of everything", ["*"], "tags.0 is not a tag: to purge everything send"],
    ["has a tag that is not well-formed", ["cat \ud83c"], "tags.0 is not well-formed Unicode"],
    ["has a tag that is too long", ["x".repeat(1_025)], "tags.0 is too long"],
    [
      "has more tags than one request to the index takes",
      Array.from({ length: 1_001 }, (__, n) => `t${n}`),
      "tags must have at most 1000 entries",
    ],
  ])(
    "is answered and not kept, which is counted and logged with the reason: it %s",
    async (_, tags, refused) => {
      const { answer, status } = await read(1, { tags });
      expect([answer.ok, status]).toEqual([true, "luna; fwd=uri-miss"]);
      expect(backends.kvWrites.size).toBe(0);
      expect(isolate.counts.unstorable).toBe(1);
      expect(logged.map((line) => JSON.parse(line) as unknown)).toEqual([
        { level: "warn", event: "cache.tags_refused", refused: expect.stringContaining(refused) },
      ]);
    },
  );

  it("is not looked for in KV: it cannot be there", async () => {
    await isolate.cache.read("", { schema: v.unknown(), tags: [], load: async () => ok(1) });
    expect(backends.kvReads).toBe(0);
  });
});

it("a value kept for another key does not fail the load, even if its schema throws", async () => {
  const schema = v.pipe(
    v.unknown(),
    v.check(() => {
      throw new Error("defect");
    }),
  );
  const load = async (_: AbortSignal, keep: Keep) => {
    keep("b:1", 1, { schema, tags: [] });
    return ok("value");
  };
  vi.spyOn(console, "error").mockReturnValue();
  const answer = await isolate.cache.read("a:1", { schema: v.string(), tags: [], load });
  expect(answer).toMatchObject({ ok: true, value: "value" });
});

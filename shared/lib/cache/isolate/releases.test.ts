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
import { cacheStatusField } from "../rules/cache-status.ts";
import type { CacheRead, ReadOptions } from "../rules/read.ts";

/** Two releases, or two Workers, that share keys and differ in tags, schema or envelope. */

const SECOND = 1_000;
const before = v.strictObject({ n: v.number() });
const after = v.strictObject({ n: v.number(), name: v.string() });

let clock: VirtualClock;
let backends: SimulatedBackends;
let loads: number;
beforeEach(() => {
  clock = new VirtualClock();
  backends = new SimulatedBackends(clock);
  loads = 0;
});
afterEach(() => expect(rejections).toEqual([]));

const another = () => newIsolate(backends, { random: () => 0 });

type Value = { n: number; name?: string };
const read = (
  isolate: SimulatedIsolate,
  { schema, tags = [], consistency = "stale-ok" }: Partial<ReadOptions<Value, never>>,
): Promise<CacheRead<Value, never>> =>
  isolate.cache.read("user:1", {
    schema: schema ?? before,
    tags,
    consistency,
    load: async () =>
      ok((loads += 1) && schema === after ? { n: loads, name: "ada" } : { n: loads }),
  });
const status = (answer: CacheRead<Value, never>): string => cacheStatusField(answer.status, "luna");

const writesOf = (name: string): (string | null)[] =>
  backends.kvWrites.get(name)?.map(({ text }) => text) ?? [];
const allWrites = (): (string | null)[] =>
  [...backends.kvWrites.values()].flatMap((writes) => writes.map(({ text }) => text));

describe("a release that adds a tag to a read", () => {
  const old = { tags: ["labels"] };

  it.each([
    ["a list", { tags: ["labels", "datasets"] }],
    ["a function", { tags: () => ["labels", "datasets"] }],
  ])("serves nothing from KV that was purged by it: tags are %s", async (_, added) => {
    await read(another(), old);
    await clock.advance(10);
    await another().cache.purge(["datasets"]);
    expect(status(await read(another(), added))).toBe("luna; fwd=uri-miss; stored");
    expect(loads).toBe(2);
  });

  it("serves nothing from memory that was purged by it, with any consistency", async () => {
    const added = { tags: ["labels", "datasets"] };
    for (const consistency of ["stale-ok", "bounded", "strict"] as const) {
      const isolate = another();
      await isolate.cache.purge(["user:1"]);
      await read(isolate, old);
      await isolate.cache.purge(["datasets"]);
      const had = loads;
      await read(isolate, { ...added, consistency });
      expect(loads, consistency).toBe(had + 1);
    }
  });

  it("serves what was not purged, also to an isolate that must look the tag up", async () => {
    await another().cache.purge(["datasets"]);
    await read(another(), old);
    await clock.advance(10);
    await another().cache.purge(["other"]);
    const isolate = another();
    expect(status(await read(isolate, { tags: ["labels", "datasets"] }))).toContain("detail=l2");
    expect(status(await read(isolate, { tags: ["labels", "datasets"] }))).toContain("detail=l1");
    expect(status(await read(isolate, { tags: ["labels", "new"] }))).toContain("detail=l1");
  });
});

describe("releases that differ in the schema of a value", () => {
  it("delete nothing of each other, and write each shape once: 100 cold isolates in turn", async () => {
    for (let n = 0; n < 100; n += 1) {
      const answer = await read(another(), { schema: n % 2 === 0 ? before : after });
      expect(answer).toMatchObject({ ok: true });
      await clock.advance(SECOND / 2);
    }
    expect(allWrites()).not.toContain(null);
    expect(allWrites()).toHaveLength(2);
    expect(loads).toBe(2);
  });

  it("each get their own value, and show why the first read was a miss", async () => {
    await read(another(), { schema: before });
    await clock.advance(10);
    const isolate = another();
    const first = await read(isolate, { schema: after });
    expect(first).toMatchObject({ value: { name: "ada" } });
    expect(status(first)).toBe("luna; fwd=uri-miss; stored; detail=kv-foreign");
    expect(isolate.counts).toMatchObject({ corrupt: 0, kvErrors: 0 });
    await clock.advance(10);
    expect(status(await read(another(), { schema: after }))).toContain("detail=l2");
    expect(status(await read(another(), { schema: before }))).toContain("detail=l2");
  });

  it("are purged alike, and the index has the names of all their entries", async () => {
    await read(another(), { schema: before });
    await clock.advance(10);
    const isolate = another();
    await read(isolate, { schema: after, tags: ["labels"] });
    await clock.advance(5 * SECOND);
    const registered = backends.index.stored.filter(({ key }) => key !== "user:1");
    expect(registered).toMatchObject([
      { key: expect.stringMatching(/^user:1#[0-9a-f]{8}$/), tags: ["user:1", "labels"] },
    ]);
    await another().cache.purge(["user:1"]);
    expect(status(await read(another(), { schema: after }))).toContain("fwd=uri-miss");
  });

  it("that have the same fingerprint leave each other's entries alone", async () => {
    const signed = (sign: number) =>
      v.pipe(
        v.strictObject({ n: v.number() }),
        v.check(({ n }) => n * sign > 0),
      );
    const [positive, negative] = [signed(1), signed(-1)];
    const shared = (schema: v.GenericSchema<unknown, Value>, n: number) =>
      another().cache.read("user:1", {
        schema,
        tags: [],
        load: async () => ok({ n: (loads += 1) && n }),
      });
    for (let n = 0; n < 20; n += 1) {
      await shared(n % 2 === 0 ? positive : negative, n % 2 === 0 ? 1 : -1);
      await clock.advance(SECOND / 2);
    }
    expect(allWrites()).not.toContain(null);
    expect(allWrites().length).toBeLessThanOrEqual(2);
  });
});

describe("an envelope of a newer release", () => {
  const edited = async (edit: (envelope: object) => object): Promise<void> => {
    await read(another(), {});
    await clock.advance(10);
    const text = backends.kvText("user:1") ?? expect.fail();
    backends.putKv("user:1", JSON.stringify(edit(JSON.parse(text) as object)));
    await clock.advance(10);
  };

  it("with a further field is read as before", async () => {
    await edited((envelope) => ({ ...envelope, etag: "x" }));
    expect(status(await read(another(), {}))).toContain("detail=l2");
  });

  it("of a later version is left alone, and read around with one write", async () => {
    await edited((envelope) => ({ ...envelope, v: 2, tags: { of: "tomorrow" } }));
    const newer = writesOf("user:1");
    for (let n = 0; n < 50; n += 1) {
      await read(another(), {});
      await clock.advance(SECOND / 10);
    }
    expect(writesOf("user:1")).toEqual(newer);
    expect(loads).toBe(2);
    expect(allWrites()).toHaveLength(3);
  });
});

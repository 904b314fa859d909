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
import type { CacheRead, Consistency } from "../rules/read.ts";
import type { PurgeTags } from "../tags/rules/rpc.ts";

/**
 * What is purged is never served again: each way in which a load can end behind a purge, and each
 * kind of purge.
 */

const schema = v.number();
const SECOND = 1_000;
const TTL_MS = 300_000;
const KEY = "user:1:usage";

let clock: VirtualClock;
let backends: SimulatedBackends;
let isolate: SimulatedIsolate;
beforeEach(() => {
  clock = new VirtualClock();
  backends = new SimulatedBackends(clock);
  isolate = newIsolate(backends, { random: () => 0 });
});
afterEach(() => expect(rejections).toEqual([]));

type Read = CacheRead<number, never>;
type Asked = { by?: SimulatedIsolate; ms?: number; consistency?: Consistency };

/** Reads the version that D1 has when the load begins, and takes `ms` to bring it. */
const read = async ({
  by = isolate,
  ms = 0,
  consistency = "stale-ok",
}: Asked = {}): Promise<Read> =>
  await by.cache.read<number, never>(KEY, {
    schema,
    tags: ["user:1"],
    consistency,
    load: async () => {
      const version = backends.versions.get(KEY) ?? 1;
      if (ms > 0) await clock.sleep(ms);
      return ok(version);
    },
  });
const valueOf = (answer: Read): number | null => (answer.ok ? answer.value : expect.fail());
const status = (answer: Read): string => cacheStatusField(answer.status, "luna");
const write = (): void => void backends.versions.set(KEY, (backends.versions.get(KEY) ?? 1) + 1);

const purges: Record<string, PurgeTags> = {
  "by tag": ["user:1"],
  "by key": [KEY],
  "by the pattern of its user": ["user:1:*"],
  "by the pattern of all users": ["user:*"],
  "of 500 tags": [...Array.from({ length: 499 }, (_, n) => `other:${n}`), "user:1"],
  "of everything": "everything",
};

/** Each leaves the isolate with a load under way that has read the old version. */
const paths: Record<string, () => Promise<Promise<Read>[]>> = {
  "in the foreground": async () => {
    const reading = read({ ms: 2 * SECOND });
    await clock.advance(SECOND);
    return [reading];
  },
  "that many wait for": async () => {
    const readings = Array.from({ length: 10 }, () => read({ ms: 2 * SECOND }));
    await clock.advance(SECOND);
    return readings;
  },
  "in a background refresh": async () => {
    await read();
    await clock.advance(TTL_MS + SECOND);
    expect(status(await read({ ms: 2 * SECOND }))).toContain("ttl=-1");
    await clock.advance(SECOND);
    return [];
  },
  "in an early refresh": async () => {
    isolate = newIsolate(backends, { random: () => 0.9 });
    await read();
    await clock.advance(260 * SECOND);
    expect(status(await read({ ms: 2 * SECOND }))).toContain("hit");
    await clock.advance(SECOND);
    return [];
  },
  "whose readers have long given up": async () => {
    const reading = read({ ms: 30 * SECOND });
    await clock.advance(29 * SECOND);
    expect((await reading).ok).toBe(false);
    return [];
  },
};

describe.each(Object.entries(paths))("a load %s", (_, begin) => {
  it.each(Object.entries(purges))(
    "never brings back what is purged meanwhile %s",
    async (_kind, tags) => {
      const readings = await begin();
      write();
      expect((await isolate.cache.purge(tags)).ok).toBe(true);
      // Behind the purge, while the old load is still under way, and when it has ended.
      const during = read();
      await clock.advance(10);
      expect(valueOf(await during)).toBe(2);
      await clock.advance(10 * SECOND);
      await Promise.all(readings);
      expect(valueOf(await read())).toBe(2);
      const other = newIsolate(backends);
      expect(valueOf(await read({ by: other }))).toBe(2);
    },
  );
});

describe("another isolate", () => {
  it("serves what was purged for no longer than the bound, and without asking for each read", async () => {
    const other = newIsolate(backends);
    await read({ by: other });
    const before = backends.indexRequests;
    write();
    await isolate.cache.purge(["user:1"]);
    const seen: (number | null)[] = [];
    for (let ms = 0; ms <= 3 * SECOND; ms += 10) {
      seen.push(valueOf(await read({ by: other })));
      await clock.advance(10);
    }
    const lastOld = seen.lastIndexOf(1);
    expect(lastOld).toBeGreaterThan(0);
    expect(lastOld * 10).toBeLessThanOrEqual(2 * SECOND);
    expect(backends.indexRequests - before).toBeLessThanOrEqual(6);
  });

  it("that was idle for a minute asks before it serves anything", async () => {
    const other = newIsolate(backends);
    await read({ by: other });
    await clock.advance(60 * SECOND);
    write();
    await isolate.cache.purge(["user:1"]);
    expect(valueOf(await read({ by: other }))).toBe(2);
  });

  it("reads strictly what was purged a moment ago, at one question a read", async () => {
    const other = newIsolate(backends);
    await read({ by: other });
    write();
    await isolate.cache.purge(["user:1"]);
    const before = backends.indexRequests;
    expect(valueOf(await read({ by: other, consistency: "strict" }))).toBe(2);
    expect(valueOf(await read({ by: other, consistency: "strict" }))).toBe(2);
    expect(backends.indexRequests - before).toBe(2);
  });

  it("reads strictly from the origin, or not at all, when the index does not answer", async () => {
    const other = newIsolate(backends);
    await read({ by: other });
    backends.condition.index = "hangs";
    const reading = read({ by: other, consistency: "strict" });
    await clock.advance(3 * SECOND);
    expect(status(await reading)).toBe("luna; fwd=request; stored; detail=tags-unreachable");
  });

  it("reads strictly without the index what began after itself, and joins no load that began before", async () => {
    const other = newIsolate(backends);
    await read({ by: other });
    const early = read({ by: other, ms: 3 * SECOND, consistency: "bounded" });
    await clock.advance(301 * SECOND);
    const slow = read({ by: other, ms: 3 * SECOND });
    await clock.advance(SECOND);
    write();
    await isolate.cache.purge(["user:1"]);
    backends.condition.index = "throws";
    const strict = Array.from({ length: 10 }, () =>
      read({ by: other, ms: SECOND, consistency: "strict" }),
    );
    await clock.advance(10 * SECOND);
    expect((await Promise.all(strict)).map(valueOf)).toEqual(strict.map(() => 2));
    await Promise.all([early, slow]);
  });

  it("with a KV that is a minute behind never serves its old entry", async () => {
    await read();
    await clock.advance(61 * SECOND);
    backends.kvBehindMs = 60 * SECOND;
    write();
    await isolate.cache.purge(["user:1"]);
    await read();
    const other = newIsolate(backends);
    expect(valueOf(await read({ by: other }))).toBe(2);
  });

  it("that is new looks up the tags of what it finds in KV, once, and then serves it", async () => {
    await read();
    await isolate.cache.purge(["unrelated"]);
    const other = newIsolate(backends);
    const before = backends.indexRequests;
    for (let n = 0; n < 5; n += 1) expect(valueOf(await read({ by: other }))).toBe(1);
    expect(other.counts).toMatchObject({ hitsL2: 1, hitsL1: 4, misses: 0 });
    expect(backends.indexRequests - before).toBe(1);
  });
});

describe("a soft purge", () => {
  it("serves what it made stale while it is loaded again, and never what was purged hard", async () => {
    await read();
    write();
    await isolate.cache.purge(["user:1"], "soft");
    const answer = await read();
    expect([valueOf(answer), status(answer)]).toEqual([1, "luna; hit; ttl=-1; detail=l1"]);
    await clock.advance(10);
    expect(valueOf(await read())).toBe(2);
    write();
    await isolate.cache.purge(["user:1"]);
    await isolate.cache.purge(["user:1"], "soft");
    await isolate.cache.purge("everything", "soft");
    expect(valueOf(await read())).toBe(3);
  });

  it("is a hard one where nothing stale is wanted", async () => {
    await read({ consistency: "bounded" });
    write();
    await isolate.cache.purge(["user:1"], "soft");
    expect(valueOf(await read({ consistency: "bounded" }))).toBe(2);
  });
});

describe("a purge of everything", () => {
  it("is seen by an isolate that is new", async () => {
    await read();
    write();
    await isolate.cache.purge("everything");
    expect(valueOf(await read({ by: newIsolate(backends) }))).toBe(2);
  });
});

describe("a purge that does not reach the index", () => {
  beforeEach(() => void vi.spyOn(console, "error").mockReturnValue());
  afterEach(() => void vi.restoreAllMocks());

  it.each(["throws", "hangs", "loses-replies"] as const)(
    "because it %s is held to by the isolate, and sent again with its syncs until it arrives",
    async (condition) => {
      await read();
      backends.condition.index = condition;
      write();
      const purging = isolate.cache.purge(["user:1"]);
      await clock.advance(3 * SECOND);
      expect((await purging).ok).toBe(false);
      for (let second = 0; second < 20; second += 1) {
        const reading = read();
        await clock.advance(2 * SECOND);
        expect(valueOf(await reading)).toBe(2);
      }
      backends.condition.index = "up";
      for (let second = 0; second < 15; second += 1) {
        const reading = read();
        await clock.advance(SECOND);
        expect(valueOf(await reading)).toBe(2);
      }
      expect(backends.index.tags.get("user:1")?.hard).toBeGreaterThan(0);
      expect(status(await read())).toContain("hit");
    },
  );

  it("of everything is held to as well", async () => {
    await read();
    backends.condition.index = "throws";
    write();
    expect((await isolate.cache.purge("everything")).ok).toBe(false);
    expect(valueOf(await read())).toBe(2);
  });

  it("goes together with others that did not arrive, in one request", async () => {
    await read();
    backends.condition.index = "throws";
    for (let n = 0; n < 50; n += 1) await isolate.cache.purge([`user:${n}`, `email:${n}`]);
    backends.condition.index = "up";
    const before = backends.indexRequests;
    await clock.advance(15 * SECOND);
    await read();
    await clock.advance(10);
    expect(backends.indexRequests - before).toBeLessThanOrEqual(3);
    expect(backends.index.tags.size).toBe(100);
  });
});

describe("questions to the index", () => {
  it("are at most 1,100 for a million reads at a thousand a second, each of five tags", async () => {
    const tags = ["a", "b", "c", "d", "e"];
    const load = async () => ok(1);
    for (let tick = 0; tick < 100_000; tick += 1) {
      const reads = Array.from({ length: 10 }, (_, n) =>
        isolate.cache.read(`key:${n}`, { schema, tags, load }),
      );
      await Promise.all(reads);
      await clock.advance(10);
    }
    expect(isolate.counts.hitsL1).toBeGreaterThan(990_000);
    expect(backends.indexRequests).toBeLessThanOrEqual(1_100);
    expect(backends.indexRequests).toBeGreaterThan(900);
  });

  it("are at most one a second while it fails, fewer and fewer, and no read waits for it longer than once", async () => {
    await read();
    backends.condition.index = "hangs";
    await clock.advance(3 * SECOND);
    const before = backends.indexRequests;
    let slow = 0;
    for (let ms = 0; ms < 60 * SECOND; ms += 100) {
      const startedAt = clock.now();
      let endedAt: number | null = null;
      const reading = read().then((answer) => {
        endedAt = clock.now();
        return valueOf(answer);
      });
      await clock.advance(100);
      if (endedAt !== startedAt) slow += 1;
      void reading;
    }
    expect(backends.indexRequests - before).toBeLessThanOrEqual(12);
    expect(slow).toBeLessThan(120);
  });
});

import { beforeEach, describe, expect, it } from "vitest";
import { SimulatedIndex } from "../../../../../test/support/simulated-index.ts";
import { VirtualClock } from "../../../../../test/support/virtual-clock.ts";
import type { PurgeRequest, TagSyncRequest } from "../rules/rpc.ts";
import { TagIndexClient, type TagClientPorts } from "./client.ts";
import { RequestRefused } from "./request-refused.ts";

const SECOND = 1_000;
let clock: VirtualClock;
let index: SimulatedIndex;
let asked: ({ sync: TagSyncRequest } | { purge: PurgeRequest })[];
let how: "up" | "throws" | "hangs" | "refuses";
let events: string[];
let client: TagIndexClient;

beforeEach(() => {
  clock = new VirtualClock();
  index = new SimulatedIndex();
  asked = [];
  how = "up";
  events = [];
  client = newClient();
});

const meet = async <Reply>(reply: () => Reply): Promise<Reply> => {
  if (how === "throws") throw new Error("overloaded");
  if (how === "refuses") throw new RequestRefused("tags is too long");
  if (how === "hangs") return await new Promise(() => undefined);
  await clock.sleep(20);
  return reply();
};
const newClient = (changes: Partial<TagClientPorts> = {}): TagIndexClient =>
  new TagIndexClient({
    object: {
      sync: async (sync) => {
        asked.push({ sync });
        return await meet(() => index.answerSync(sync));
      },
      purge: async (purge) => {
        asked.push({ purge });
        return await meet(() => index.answerPurge(purge));
      },
    },
    clock,
    random: () => 0.5,
    background: (work) => void work.catch(() => expect.fail("rejected in the background")),
    boundMs: 2_000,
    notify: (event) =>
      events.push("inARow" in event ? `${event.event} ${event.inARow}` : event.event),
    ...changes,
  });

const within = async <Value>(work: Promise<Value>, ms = 10 * SECOND): Promise<Value> => {
  await clock.advance(ms);
  return await work;
};
const entry = (key: string) => ({ key, tags: ["t"], seq: 0, expiresAt: clock.now() + 60 * SECOND });

describe("an isolate's way to the index", () => {
  it("is taken once by all who need it at a moment", async () => {
    const verified = Array.from({ length: 100 }, () => client.verify());
    expect(await within(Promise.all(verified), 100)).toEqual(verified.map(() => true));
    expect(asked).toHaveLength(1);
  });

  it("brings with the first sync the tags that the first read needs", async () => {
    index.purge(["a"], "hard");
    await within(client.verify(["a", "b"]), 100);
    expect(client.view.missing(["a", "b"])).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it("waits no longer than a second, then pauses ever longer, and logs loss and return", async () => {
    how = "hangs";
    const startedAt = clock.now();
    let endedAt = 0;
    const waiting = client.verify().then((verified) => {
      endedAt = clock.now();
      return verified;
    });
    expect(await within(waiting, 1_000)).toBe(false);
    expect(endedAt - startedAt).toBe(1_000);
    how = "throws";
    const sentAt: number[] = [];
    for (let ms = 0; ms < 60 * SECOND; ms += 100) {
      const before = asked.length;
      await within(client.verify(), 100);
      if (asked.length > before) sentAt.push(ms);
    }
    const pauses = sentAt.slice(1).map((at, n) => (at - (sentAt[n] ?? 0)) / SECOND);
    expect(pauses.slice(0, 6)).toEqual(
      [2, 4, 8, 10, 10, 10].map((seconds) => expect.closeTo(seconds, 0)),
    );
    how = "up";
    await within(client.verify(), 11 * SECOND);
    expect(await within(client.verify())).toBe(true);
    expect(events[0]).toBe("index_failed 1");
    expect(events.at(-1)).toBe("index_back");
  });

  it("is open again when the request that had asked has died with its timers", async () => {
    const { after } = clock;
    clock.after = () => () => undefined;
    how = "hangs";
    void client.verify();
    clock.after = after.bind(clock);
    how = "up";
    await clock.advance(6 * SECOND);
    expect(await within(client.verify())).toBe(true);
  });
});

describe("what was stored", () => {
  it("is reported to the index a second later, together, though nothing is read any more", async () => {
    await within(client.verify(), 100);
    for (let n = 0; n < 1_200; n += 1) client.register(entry(`k:${n}`));
    await clock.advance(10 * SECOND);
    const reported = asked.flatMap((request) =>
      "sync" in request ? (request.sync.stored ?? []) : [],
    );
    expect(reported).toHaveLength(1_200);
    expect(asked.length).toBeLessThanOrEqual(4);
  });

  it("is reported in parts that fit into what SQLite takes as one value, and not at all where one alone does not", async () => {
    await within(client.verify(), 100);
    const tags = Array.from({ length: 200 }, (_, n) => `${n}:`.padEnd(1_000, "x"));
    for (let n = 0; n < 20; n += 1) client.register({ ...entry(`k:${n}`), tags });
    client.register({
      ...entry("huge"),
      tags: Array.from({ length: 1_000 }, (_, n) => `${n}:`.padEnd(1_000, "x")),
    });
    await clock.advance(40 * SECOND);
    client.register(entry("last"));
    await clock.advance(10 * SECOND);
    const reported = asked.flatMap((request) =>
      "sync" in request ? [request.sync.stored ?? []] : [],
    );
    expect(Math.max(...reported.map((stored) => JSON.stringify(stored).length))).toBeLessThan(
      700_000,
    );
    expect(new Set(reported.flat().map(({ key }) => key))).toEqual(
      new Set([...Array.from({ length: 20 }, (_, n) => `k:${n}`), "last"]),
    );
  });

  it("is reported again when the index did not answer, and dropped when it refuses", async () => {
    how = "throws";
    client.register(entry("a"));
    await clock.advance(3 * SECOND);
    const failed = asked.length;
    how = "up";
    await clock.advance(20 * SECOND);
    expect(JSON.stringify(asked.slice(failed))).toContain('"key":"a"');
    how = "refuses";
    client.register(entry("bad"));
    await clock.advance(3 * SECOND);
    const refused = asked.length;
    how = "up";
    await clock.advance(20 * SECOND);
    await within(client.verify());
    expect(asked.length).toBeGreaterThan(refused);
    expect(JSON.stringify(asked.slice(refused))).not.toContain("bad");
  });
});

describe("a name that no entry can carry", () => {
  const bad = ["", "*", "cat \ud83c", "x".repeat(1_025)];

  it("is not asked for, so that it costs no sync", async () => {
    expect(await within(client.verify([...bad, "a"]), 100)).toBe(true);
    await within(client.lookUp(bad), 3 * SECOND);
    const lookedUp = asked.flatMap((request) => ("sync" in request ? request.sync.lookUp : []));
    expect(lookedUp).toEqual(["a"]);
    expect(asked).toHaveLength(1);
    expect(events).toEqual([]);
  });

  it("is not registered, and the entries beside it are", async () => {
    await within(client.verify(), 100);
    for (const [n, tag] of bad.entries()) client.register({ ...entry(`k:${n}`), tags: [tag] });
    client.register(entry("cat \ud83c"));
    client.register(entry("good"));
    await clock.advance(10 * SECOND);
    const keys = asked.flatMap((request) =>
      "sync" in request ? (request.sync.stored ?? []).map(({ key }) => key) : [],
    );
    expect(keys).toEqual(["good"]);
  });

  it("is refused where it is purged, by its place, though the index does not answer", async () => {
    await within(client.verify(), 100);
    how = "throws";
    const before = asked.length;
    for (const tag of bad) {
      const purged = await within(client.purge(["a", tag], "hard"), 100);
      expect(purged).toMatchObject({ ok: false, error: { tag: "refused" } });
      expect(purged.ok ? null : String(purged.error.error)).toMatch(/tags\.1 is /);
    }
    expect(asked).toHaveLength(before);
    expect(client.view.hasPendingInvalidation(["a", ...bad])).toBe(false);
  });
});

describe("a sync that the index refuses", () => {
  it("is sent once more without what it carried, and the index counts as reachable", async () => {
    await within(client.verify(), 100);
    client = newClient({
      object: {
        sync: async (sync) => {
          asked.push({ sync });
          if ((sync.stored ?? []).length > 0 || (sync.lookUp ?? []).length > 0)
            throw new RequestRefused("stored.0.tags.0 is not what this release takes");
          return await meet(() => index.answerSync(sync));
        },
        purge: async () => expect.fail("no purge"),
      },
    });
    client.register(entry("a"));
    expect(await within(client.verify(["x"]), SECOND)).toBe(true);
    await clock.advance(10 * SECOND);
    expect(await within(client.verify(), SECOND)).toBe(true);
    expect(events).toContain("sync_refused");
    expect(events.join()).not.toContain("index_failed");
  });
});

describe("a purge", () => {
  it("that the index throws at keeps no sync, and stops no purge that is pending with it", async () => {
    await within(client.verify(), 100);
    client = newClient({
      object: {
        sync: async (sync) => {
          asked.push({ sync });
          return await meet(() => index.answerSync(sync));
        },
        purge: async (purge) => {
          asked.push({ purge });
          if (purge.tags.includes("poison")) throw new Error("string or blob too big");
          return await meet(() => index.answerPurge(purge));
        },
      },
    });
    how = "throws";
    for (const tag of ["a", "poison", "b", "c"])
      expect(await within(client.purge([tag], "hard"), 100)).toMatchObject({
        error: { tag: "unreachable" },
      });
    how = "up";
    for (let n = 0; n < 60; n += 1) expect(await within(client.verify(), SECOND)).toBe(true);
    for (const tag of ["a", "b", "c"]) expect(index.tags.get(tag)?.hard).toBeGreaterThan(0);
    expect(client.view.hasPendingInvalidation(["a", "b", "c"])).toBe(false);
    expect(client.view.hasPendingInvalidation(["poison"])).toBe(true);
    const tries = asked.filter((one) => "purge" in one && one.purge.tags.includes("poison"));
    expect(tries.length).toBeLessThan(15);
    expect(events).toContain("pending_purge_failed 1");
    expect(events.join()).not.toContain("index_failed");
  });

  it("that is larger than the index takes is refused where it is made", async () => {
    await within(client.verify(), 100);
    const before = asked.length;
    const large = Array.from({ length: 1_000 }, (_, n) => `${n}`.padEnd(1_000, "猫"));
    const purged = await within(client.purge(large, "hard"), 100);
    expect(purged).toMatchObject({ ok: false, error: { tag: "refused" } });
    expect(purged.ok ? null : String(purged.error.error)).toContain("tags must have at most");
    expect(asked).toHaveLength(before);
  });

  it("that is pending with others is sent in requests of a bounded size", async () => {
    await within(client.verify(), 100);
    how = "throws";
    for (const letter of "abcd") {
      const tags = Array.from({ length: 240 }, (_, n) => `${letter}${n}`.padEnd(1_000, "猫"));
      await within(client.purge(tags, "hard"), 100);
    }
    how = "up";
    const before = asked.length;
    for (let n = 0; n < 30; n += 1) await within(client.verify(), SECOND);
    const sizes = asked
      .slice(before)
      .flatMap((one) =>
        "purge" in one ? [Buffer.byteLength(JSON.stringify(one.purge.tags))] : [],
      );
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_500_000);
    expect(index.tags.size).toBe(960);
  });

  it("that the index refuses is neither held to nor sent again", async () => {
    await within(client.verify(), 100);
    how = "refuses";
    expect(await within(client.purge(["x"], "hard"), 100)).toMatchObject({
      ok: false,
      error: { tag: "refused" },
    });
    expect(client.view.hasPendingInvalidation(["x"])).toBe(false);
    how = "up";
    const before = asked.length;
    await within(client.verify(), 3 * SECOND);
    await within(client.verify(), 3 * SECOND);
    expect(asked.slice(before).every((request) => "sync" in request)).toBe(true);
  });

  it("that is refused when it is sent again is dropped, and keeps no sync", async () => {
    await within(client.verify(), 100);
    how = "throws";
    await within(client.purge(["x"], "hard"), 100);
    expect(client.view.hasPendingInvalidation(["x"])).toBe(true);
    how = "refuses";
    await within(client.verify(), 3 * SECOND);
    how = "up";
    await clock.advance(20 * SECOND);
    expect(await within(client.verify())).toBe(true);
    expect(client.view.hasPendingInvalidation(["x"])).toBe(false);
  });

  it("that is pending arrives although one that is refused was pending with it", async () => {
    const tooLong = "x".repeat(1_025);
    const strict = newClient({
      object: {
        sync: async () => index.answerSync({ since: null }),
        purge: async (purge) =>
          await meet(() => {
            if (purge.tags.includes(tooLong)) throw new RequestRefused("tags.1 is too long");
            return index.answerPurge(purge);
          }),
      },
    });
    how = "throws";
    for (const tag of ["a", tooLong, "b"]) await within(strict.purge([tag], "hard"), 100);
    how = "up";
    await within(strict.verify(), 20 * SECOND);
    for (const tag of ["a", "b"]) expect(index.tags.get(tag)?.hard).toBeGreaterThan(0);
    expect(strict.view.hasPendingInvalidation(["a", "b", tooLong])).toBe(false);
  });

  it("of nothing is refused, and never becomes one of everything", async () => {
    await within(client.verify(), 100);
    how = "throws";
    expect(await client.purge([], "hard")).toMatchObject({ ok: false, error: { tag: "refused" } });
    how = "up";
    await within(client.verify(), 20 * SECOND);
    expect(index.meta).toMatchObject({ seq: 0, floor: 0 });
  });

  it("that is pending is sent again although others, made each half second, keep the view fresh", async () => {
    await within(client.verify(), 100);
    how = "throws";
    await within(client.purge(["x"], "hard"), 100);
    expect(client.view.hasPendingInvalidation(["x"])).toBe(true);
    how = "up";
    for (let n = 0; n < 20; n += 1) {
      await within(client.purge([`busy:${n}`], "hard"), SECOND / 2);
      expect(client.isFresh(clock.now())).toBe(true);
    }
    await clock.advance(100);
    expect(index.tags.get("x")?.hard).toBeGreaterThan(0);
    expect(client.view.hasPendingInvalidation(["x"])).toBe(false);
  });

  it("that a former index took is sent to the one that came after it", async () => {
    await within(client.verify(), 100);
    const purging = client.purge(["x"], "hard");
    await clock.advance(10);
    // It answers after another index has answered: what it took is lost with it.
    const lost = index;
    index = new SimulatedIndex();
    index.meta = { ...index.meta, generation: "another" };
    client.view.sync(
      index.answerSync({ since: null }),
      { at: clock.now(), since: client.view.stamp },
      clock.now(),
    );
    const [after, current] = [lost, index];
    index = after;
    await clock.advance(15);
    index = current;
    expect(await purging).toMatchObject({ ok: false });
    await clock.advance(20 * SECOND);
    await within(client.verify());
    expect(index.tags.get("x")?.hard).toBeGreaterThan(0);
    expect(client.view.hasPendingInvalidation(["x"])).toBe(false);
  });
});

describe("look-ups", () => {
  it("of a crowd are gathered while one is under way, and none is stuck behind one that died", async () => {
    await within(client.verify(), 100);
    const before = asked.length;
    const crowd = Array.from({ length: 500 }, (_, n) => client.lookUp([`t:${n}`]));
    await within(Promise.all(crowd), 100);
    expect(asked.length - before).toBeLessThanOrEqual(2);
    expect(client.view.missing(["t:0", "t:499"])).toEqual([]);

    const { after } = clock;
    clock.after = () => () => undefined;
    how = "hangs";
    void client.lookUp(["dead:1"]);
    void client.lookUp(["dead:2"]);
    clock.after = after.bind(clock);
    how = "up";
    await clock.advance(5 * SECOND);
    await within(client.lookUp(["alive"]));
    expect(client.view.missing(["alive"])).toEqual([]);
  });

  it("of more tags than one request takes are split", async () => {
    await within(client.verify(), 100);
    const tags = Array.from({ length: 2_500 }, (_, n) => `t:${n}`);
    await within(client.lookUp(tags));
    expect(client.view.missing(tags)).toEqual([]);
    expect(
      asked.every((request) => !("sync" in request) || (request.sync.lookUp?.length ?? 0) <= 1_000),
    ).toBe(true);
  });
});

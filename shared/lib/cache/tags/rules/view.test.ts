import { beforeEach, describe, expect, it } from "vitest";
import type { Meta, TagPurge } from "./sequence.ts";
import { TagView } from "./view.ts";

const NOW = 10_000;
const meta = (seq: number, fields: Partial<Meta> = {}): Meta => ({
  generation: "g",
  seq,
  floor: 0,
  softFloor: 0,
  ...fields,
});
const at = (seq: number) => ({ generation: "g", seq });
const asked = (when: number) => ({ at: when, since: at(10) });
const hard = (seq: number): TagPurge => ({ hard: seq, soft: 0 });

let view: TagView;
beforeEach(() => {
  view = new TagView(4);
  view.sync({ meta: meta(10), since: null, purges: [] }, asked(1_000), NOW);
});

describe("a view", () => {
  it("is empty before its first sync", () => {
    const cold = new TagView();
    expect([cold.stamp, cold.ageMs(5_000)]).toEqual([null, Number.POSITIVE_INFINITY]);
    expect(cold.freshness(at(10), ["a"])).toBe("unknown");
  });

  it("ages from when its sync was sent, and a late answer makes it no younger or older", () => {
    view.sync({ meta: meta(11), since: 10, purges: [] }, asked(3_000), NOW);
    view.sync({ meta: meta(11), since: 10, purges: [] }, asked(2_000), NOW);
    expect(view.ageMs(3_500)).toBe(500);
  });

  it("is infinitely old when the clock was set back, until it is synced again", () => {
    expect(view.ageMs(999)).toBe(Number.POSITIVE_INFINITY);
    // Sent before the clock was set back: how long ago is unknown.
    view.sync({ meta: meta(11), since: 10, purges: [] }, asked(9_000), 500);
    expect(view.ageMs(500)).toBe(Number.POSITIVE_INFINITY);
    view.sync({ meta: meta(11), since: 10, purges: [] }, asked(400), 500);
    expect(view.ageMs(500)).toBe(100);
  });

  it("stamps loads with the sequence of its last sync, and where the next sync continues", () => {
    expect(view.stamp).toEqual(at(10));
  });

  it("judges entries that are as new as itself without asking, with any tags", () => {
    expect(view.freshness(at(10), ["a", "b", "c", "d", "e"])).toBe("fresh");
    view.sync({ meta: meta(11), since: 10, purges: [["c", hard(11)]] }, asked(2_000), NOW);
    expect(view.freshness(at(10), ["a", "b", "c", "d", "e"])).toBe("purged");
    expect(view.freshness(at(11), ["a", "b", "c", "d", "e"])).toBe("fresh");
  });

  it("has another revision whenever the freshness of an entry may change", () => {
    const revisions = [view.revision];
    const endInvalidation = view.beginInvalidation(["a"]);
    revisions.push(view.revision);
    endInvalidation();
    revisions.push(view.revision);
    view.lookUp({ meta: meta(10), purges: [["a", hard(3)]] });
    revisions.push(view.revision);
    view.sync({ meta: meta(11), since: 10, purges: [["a", hard(11)]] }, asked(2_000), NOW);
    revisions.push(view.revision);
    view.sync({ meta: meta(12, { softFloor: 12 }), since: 11, purges: [] }, asked(3_000), NOW);
    revisions.push(view.revision);
    expect(new Set(revisions).size).toBe(revisions.length);
    view.sync({ meta: meta(12, { softFloor: 12 }), since: 12, purges: [] }, asked(4_000), NOW);
    expect(view.revision, "nothing new").toBe(revisions.at(-1));
  });

  it("has the tags of older entries looked up, once, and keeps the answer", () => {
    expect(view.freshness(at(9), ["a", "b"])).toBe("look-up");
    expect(view.missing(["a", "b"])).toEqual(["a", "b"]);
    view.lookUp({
      meta: meta(10),
      purges: [
        ["a", hard(3)],
        ["b", hard(0)],
      ],
    });
    expect(view.freshness(at(9), ["a", "b"])).toBe("fresh");
    expect(view.freshness(at(2), ["a", "b"])).toBe("purged");
    expect(view.missing(["a", "b", "c"])).toEqual(["c"]);
  });

  it("takes the floor from a look-up too: an index that has forgotten a tag answers with it", () => {
    view.lookUp({ meta: meta(12, { floor: 10 }), purges: [["a", hard(0)]] });
    expect(view.freshness(at(9), ["a"])).toBe("purged");
    expect(view.stamp).toEqual(at(10));
  });

  it("needs no look-up for what is purged anyway", () => {
    view.sync(
      { meta: meta(12, { floor: 11 }), since: 10, purges: [["a", hard(12)]] },
      asked(2_000),
      NOW,
    );
    expect(view.freshness(at(9), ["unheard-of"])).toBe("purged");
  });

  it("takes no look-up that is older than what it dropped since", () => {
    view.sync(
      {
        meta: meta(15),
        since: 10,
        purges: [11, 12, 13, 14, 15].map((seq) => [`t${seq}`, hard(seq)] as const),
      },
      asked(2_000),
      NOW,
    );
    // t11 to t13 were dropped. This was answered before t12 was purged.
    view.lookUp({ meta: meta(11), purges: [["t12", hard(0)]] });
    expect(view.freshness(at(11), ["t12"])).toBe("look-up");
    view.lookUp({ meta: meta(15), purges: [["t12", hard(12)]] });
    expect(view.freshness(at(11), ["t12"])).toBe("purged");
  });

  it("holds no more tags than it may, and what it dropped is never taken for not purged", () => {
    view.sync(
      {
        meta: meta(15),
        since: 10,
        purges: [11, 12, 13, 14, 15].map((seq) => [`t${seq}`, hard(seq)] as const),
      },
      asked(2_000),
      NOW,
    );
    expect(view.freshness(at(12), ["t13"])).toBe("look-up");
    expect(view.freshness(at(13), ["t14"])).toBe("purged");
    expect(view.freshness(at(13), ["t13"])).toBe("fresh");
  });

  it("takes no sync that was answered before it dropped something", () => {
    view.sync(
      {
        meta: meta(15),
        since: 10,
        purges: [11, 12, 13, 14, 15].map((seq) => [`t${seq}`, hard(seq)] as const),
      },
      asked(2_000),
      NOW,
    );
    view.sync({ meta: meta(12), since: 10, purges: [] }, asked(9_000), NOW);
    expect(view.ageMs(9_000)).toBe(7_000);
  });

  it("never goes back: an older answer that arrives later takes nothing away", () => {
    view.sync(
      { meta: meta(12, { floor: 12 }), since: 10, purges: [["a", hard(12)]] },
      asked(3_000),
      NOW,
    );
    view.sync({ meta: meta(11), since: 10, purges: [["a", hard(11)]] }, asked(2_000), NOW);
    expect(view.stamp).toEqual(at(12));
    expect(view.freshness(at(11), ["a"])).toBe("purged");
  });

  it("begins again with an index of another generation", () => {
    view.sync(
      { meta: { ...meta(3), generation: "new" }, since: 10, purges: [] },
      asked(2_000),
      NOW,
    );
    expect(view.freshness(at(10), ["a"])).toBe("purged");
    expect(view.freshness({ generation: "new", seq: 3 }, ["a"])).toBe("fresh");
    expect(view.freshness({ generation: "new", seq: 2 }, ["a"])).toBe("look-up");
  });

  it("keeps its own purges that are newer than a cold answer which was on its way", () => {
    const cold = new TagView();
    cold.sync({ meta: meta(12), since: null, purges: [["mine", hard(12)]] }, asked(2_000), NOW);
    cold.sync({ meta: meta(12), since: null, purges: [] }, asked(1_000), NOW);
    expect(cold.freshness(at(12), ["mine"])).toBe("fresh");
    const raced = new TagView();
    raced.sync({ meta: meta(11), since: null, purges: [["mine", hard(12)]] }, asked(2_000), NOW);
    raced.sync({ meta: meta(11), since: null, purges: [] }, asked(1_000), NOW);
    expect(raced.freshness(at(11), ["mine"])).toBe("purged");
  });
});

describe("a tag that this isolate has to purge", () => {
  it("makes every entry that carries it invalid, with any stamp, until its purge has succeeded", () => {
    const endInvalidation = view.beginInvalidation(["a"]);
    expect(view.freshness(at(10), ["a", "b"])).toBe("purged");
    expect(view.freshness(at(10), ["b"])).toBe("fresh");
    endInvalidation();
    expect(view.freshness(at(10), ["a", "b"])).toBe("fresh");
  });

  it("stays invalid while any of several purges of it is not finished", () => {
    const [first, second] = [view.beginInvalidation(["a"]), view.beginInvalidation(["a", "b"])];
    first();
    first();
    expect(view.freshness(at(10), ["a"])).toBe("purged");
    second();
    expect(view.freshness(at(10), ["a"])).toBe("fresh");
  });

  it("stays invalid although another isolate has purged it: that may have been before", () => {
    view.beginInvalidation(["a"]);
    view.sync({ meta: meta(13), since: 10, purges: [["a", hard(13)]] }, asked(3_000), NOW);
    expect(view.freshness(at(13), ["a"])).toBe("purged");
  });
});

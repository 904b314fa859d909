import { describe, expect, it } from "vitest";
import {
  forgetTags,
  stampFreshness,
  neverPurged,
  purgeAll,
  purgedTag,
  purgeTags,
  type Meta,
} from "./sequence.ts";

const meta: Meta = { generation: "g", seq: 10, floor: 0, softFloor: 0 };
const at = (seq: number, generation = "g") => ({ generation, seq });

describe("an entry", () => {
  it("is fresh as long as nothing that it carries was purged after its stamp", () => {
    expect(stampFreshness(at(10), meta, [neverPurged, { hard: 10, soft: 10 }])).toBe("fresh");
    expect(stampFreshness(at(9), meta, [neverPurged, { hard: 10, soft: 0 }])).toBe("purged");
    expect(stampFreshness(at(9), meta, [neverPurged, { hard: 0, soft: 10 }])).toBe("stale");
  });

  it("that was hard-purged is purged, also if others were soft-purged", () => {
    const purges = [
      { hard: 0, soft: 10 },
      { hard: 9, soft: 0 },
    ];
    expect(stampFreshness(at(8), meta, purges)).toBe("purged");
    expect(stampFreshness(at(8), meta, purges.toReversed())).toBe("purged");
  });

  it("of another generation is purged", () => {
    expect(stampFreshness(at(10, "other"), meta, [])).toBe("purged");
  });

  it("of a load that began before a purge and ended after it is older than the purge", () => {
    const stamp = at(meta.seq);
    const purged = purgeTags(meta);
    expect(stampFreshness(stamp, purged, [purgedTag(neverPurged, "hard", purged.seq)])).toBe(
      "purged",
    );
    expect(
      stampFreshness(at(purged.seq), purged, [purgedTag(neverPurged, "hard", purged.seq)]),
    ).toBe("fresh");
  });
});

describe("a purge", () => {
  it("of everything is seen by every older entry, tags or none, and by no newer one", () => {
    const hard = purgeAll(meta, "hard");
    expect(stampFreshness(at(10), hard, [])).toBe("purged");
    expect(stampFreshness(at(hard.seq), hard, [])).toBe("fresh");
    const soft = purgeAll(meta, "soft");
    expect(stampFreshness(at(10), soft, [])).toBe("stale");
    expect(stampFreshness(at(soft.seq), soft, [])).toBe("fresh");
  });

  it("that is soft undoes no hard one", () => {
    expect(purgedTag({ hard: 9, soft: 0 }, "soft", 11)).toEqual({ hard: 9, soft: 11 });
    const softAfterHard = purgeAll(purgeAll(meta, "hard"), "soft");
    expect(stampFreshness(at(10), softAfterHard, [])).toBe("purged");
    expect(stampFreshness(at(11), softAfterHard, [])).toBe("stale");
  });
});

describe("an index that forgets", () => {
  it("purges all that is too old to be distinguished from what it forgot, and nothing else", () => {
    const forgetful = forgetTags(meta, 7);
    expect(stampFreshness(at(6), forgetful, [])).toBe("purged");
    expect(stampFreshness(at(7), forgetful, [])).toBe("fresh");
  });

  it("never forgets what is still to come, and never lowers its floor", () => {
    expect(forgetTags(meta, 99).floor).toBe(10);
    expect(forgetTags({ ...meta, floor: 8 }, 3).floor).toBe(8);
  });
});

import fc from "fast-check";
import { expect, it } from "vitest";
import { runs } from "../../../test/support/seed.ts";
import { groupsWithin, sizeOf } from "./sizes.ts";

it("groups keep each item, in order, and none is larger than it may be", () => {
  const items = fc.array(fc.string({ unit: "binary", maxLength: 40 }), { maxLength: 60 });
  fc.assert(
    fc.property(
      items,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 2, max: 400 }),
      (all, count, bytes) => {
        const groups = groupsWithin(all, { count, bytes });
        expect(groups.flat()).toEqual(all);
        for (const group of groups.filter(({ length }) => length > 1)) {
          const size = sizeOf(group);
          expect(size.count).toBeLessThanOrEqual(count);
          expect(size.bytes).toBeLessThanOrEqual(bytes);
        }
      },
    ),
    { numRuns: runs },
  );
});

it("bytes are counted as UTF-8 of JSON, escapes included", () => {
  expect(sizeOf(["a"])).toEqual({ count: 1, bytes: 5 });
  expect(sizeOf(["猫", "\u0001"])).toEqual({ count: 2, bytes: 5 + 1 + 8 + 2 });
  expect(groupsWithin(["aaa", "b", "c"], { count: 2, bytes: 100 })).toEqual([["aaa", "b"], ["c"]]);
});

import * as fc from "fast-check";
import { expect, it } from "vitest";
import { placesForStore } from "./large-files.ts";

const MIB = 1_048_576;

it.each<[number, (number | null)[], number[]]>([
  [0, [], []],
  [100, [MIB - 100], []],
  [101, [MIB - 100], [0]],
  [0, [10, 2 * MIB, 20], [1]],
  [0, [MIB, null, MIB], [0]],
  [MIB, [1, 2], [0, 1]],
])("beside %d bytes, of files with %j those at %j go to R2", (other, sizes, places) => {
  expect(placesForStore(other, sizes)).toEqual(places);
});

it("the rest fits into a row, and none goes to R2 without need", () => {
  const sizes = fc.array(fc.oneof(fc.constant(null), fc.nat(3 * MIB)), { maxLength: 20 });
  fc.assert(
    fc.property(fc.nat(MIB), sizes, (other, given) => {
      const places = placesForStore(other, given);
      const left = given.flatMap((bytes, n) =>
        bytes === null || places.includes(n) ? [] : [bytes],
      );
      const rest = left.reduce((sum, bytes) => sum + bytes, other);
      expect(rest).toBeLessThanOrEqual(MIB);
      const smallest = Math.min(...places.map((n) => given[n] ?? 0));
      expect(places.length === 0 || rest + smallest > MIB).toBe(true);
    }),
  );
});

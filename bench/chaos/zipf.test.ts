import { expect, it } from "vitest";
import { randomFrom } from "../../test/support/random.ts";
import { zipf } from "./zipf.ts";

it("the n-th most popular is asked for in proportion to 1 / n, and none beyond the last", () => {
  const rank = zipf(1_000);
  const random = randomFrom(1);
  const counts = Array.from({ length: 1_000 }, () => 0);
  for (let n = 0; n < 200_000; n += 1) {
    const asked = rank(random());
    counts[asked] = (counts[asked] ?? 0) + 1;
  }
  expect([rank(0), rank(1 - Number.EPSILON)]).toEqual([0, 999]);
  const share = (from: number, to: number): number =>
    counts.slice(from, to).reduce((sum, each) => sum + each, 0);
  // The harmonic numbers of 10, 100 and 1,000 are 2.93, 5.19 and 7.49.
  expect(share(0, 10) / share(0, 1_000)).toBeCloseTo(2.93 / 7.49, 1);
  expect(share(0, 100) / share(0, 1_000)).toBeCloseTo(5.19 / 7.49, 1);
});

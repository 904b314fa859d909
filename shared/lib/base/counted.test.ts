import { expect, it } from "vitest";
import { countedNoun, countedText, reportedCounts } from "./counted.ts";

it("a count that stopped has a plus", () => {
  expect([0, 1_000, 1_001].map(countedText)).toEqual(["0", "1000", "1,000+"]);
  expect([1, 2, 1_001].map((count) => countedNoun(count, "email"))).toEqual([
    "1 email",
    "2 emails",
    "1,000+ emails",
  ]);
});

it("counts that stopped are named, and reported as what was counted", () => {
  expect(reportedCounts({ due: 1_000, queued: 1_001, dead: 0 })).toEqual({
    due: 1_000,
    queued: 1_000,
    dead: 0,
    atLeast: ["queued"],
  });
  expect(reportedCounts({ due: 1_000 })).toEqual({ due: 1_000 });
});

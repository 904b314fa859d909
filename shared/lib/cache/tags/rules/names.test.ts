import fc from "fast-check";
import { expect, it } from "vitest";
import { runs } from "../../../../../test/support/seed.ts";
import { isTag } from "./names.ts";

it("a tag is text of 1 to 1,024 units that is well-formed and is not everything", () => {
  for (const good of ["user:1", "user:1:*", "x".repeat(1_024), "cat 🐱", "tenant\0id", "__proto__"])
    expect(isTag(good), JSON.stringify(good)).toBe(true);
  for (const bad of ["", "*", "x".repeat(1_025), "cat \ud83c", "\udc31 cat", "\udc31\ud83c"])
    expect(isTag(bad), JSON.stringify(bad)).toBe(false);
});

it("every tag survives UTF-8, in which KV and SQLite keep it", () => {
  const text = fc.string({ unit: fc.integer({ min: 0, max: 0xff_ff }).map(String.fromCharCode) });
  const isLost = (given: string): boolean => Buffer.from(given).toString() !== given;
  const property = fc.property(text, (given) => !isTag(given) || !isLost(given));
  expect(fc.check(property, { numRuns: runs }).counterexample).toBeNull();
});

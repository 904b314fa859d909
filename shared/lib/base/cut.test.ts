import fc from "fast-check";
import { expect, it } from "vitest";
import { cut } from "./cut.ts";

it("a cut text never ends within an emoji", () => {
  expect(cut("cat 🐈", 5)).toBe("cat ");
  expect(cut("cat 🐈", 6)).toBe("cat 🐈");
  expect(cut("cat", 5)).toBe("cat");
});

it("a cut text is well-formed, no longer than asked, and the beginning of the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat(30), (text, maxLength) => {
      const start = cut(text, maxLength);
      expect(start.isWellFormed()).toBe(true);
      expect(start.length).toBeLessThanOrEqual(maxLength);
      expect(text.startsWith(start)).toBe(true);
      expect(start.length).toBeGreaterThanOrEqual(Math.min(text.length, maxLength) - 1);
    }),
  );
  expect(cut("a\ud83cb", 10)).toBe("a\ufffdb");
});

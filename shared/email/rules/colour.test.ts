import fc from "fast-check";
import { expect, it } from "vitest";
import { asTextOn, contrast, MIN_CONTRAST, textOn } from "./colour.ts";

it("the contrast is that of WCAG", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
  expect(contrast("#4b3fce", "#4b3fce")).toBe(1);
});

const colours = fc
  .integer({ min: 0, max: 0xffffff })
  .map((number) => `#${number.toString(16).padStart(6, "0")}`);

it("text is readable on any colour, and any colour is readable as text on any background", () => {
  fc.assert(
    fc.property(colours, colours, (colour, background) => {
      expect(contrast(textOn(colour), colour)).toBeGreaterThanOrEqual(MIN_CONTRAST);
      const text = asTextOn(background, colour);
      expect(text).toMatch(/^#[0-9a-f]{6}$/);
      expect(contrast(text, background)).toBeGreaterThanOrEqual(MIN_CONTRAST);
    }),
  );
});

it("a colour that is readable stays as it is", () => {
  expect(asTextOn("#ffffff", "#4b3fce")).toBe("#4b3fce");
  expect(asTextOn("#ffffff", "#ffe600")).not.toBe("#ffe600");
});

import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { oneLine, trimmedLine } from "./one-line.ts";

const shown = (characters: string): string => JSON.stringify(encodeURIComponent(characters));
const between = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, n) => String.fromCodePoint(from + n));

describe("text in one line", () => {
  it("has no line break, control character or change of direction", () => {
    const refused = [
      ...between(0x00, 0x1f),
      ...between(0x7f, 0x9f),
      ...between(0x2028, 0x2029),
      "\u061c",
      ...between(0x200e, 0x200f),
      ...between(0x202a, 0x202e),
      ...between(0x2066, 0x2069),
    ];
    for (const line of [oneLine(100), trimmedLine(100)])
      expect(refused.filter((one) => v.is(line, `a${one}b`)).map(shown)).toEqual([]);
  });

  it("can be seen", () => {
    const blank = [
      "",
      " ",
      "\u00a0\u3000",
      "\u200b",
      "\u200d\u200c",
      "\u2060",
      "\ufeff",
      "\u00ad",
      "\u2800",
      "\u3164",
      "\ufe0f",
      "\u{e0001}",
    ];
    for (const line of [oneLine(100), trimmedLine(100)])
      expect(blank.filter((one) => v.is(line, one)).map(shown)).toEqual([]);
  });

  it("is any other text, in any script", () => {
    const names = ["Ada", "名前", "שלום", "مرحبا", "👩‍🚀 crew", "a\u200db", "é", "e\u0301", "<b>&"];
    for (const name of names) {
      expect(v.is(oneLine(100), name)).toBe(true);
      expect(v.parse(trimmedLine(100), `\n ${name}\t`)).toBe(name);
    }
    expect(v.is(oneLine(3), "four")).toBe(false);
  });
});

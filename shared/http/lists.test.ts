import * as v from "valibot";
import { expect, it } from "vitest";
import { shortList } from "./lists.ts";

it("a list that is too long has one issue, however many entries are wrong", () => {
  const list = v.strictObject({ items: shortList(v.string("must be text"), 3) });
  const long = v.safeParse(list, { items: Array.from({ length: 500_000 }, (_, n) => n) });
  expect(long.issues?.map(({ message }) => message)).toEqual(["must have at most 3 entries"]);
  const wrong = v.safeParse(list, { items: ["a", 1] });
  expect(wrong.issues?.map((issue) => `${v.getDotPath(issue)} ${issue.message}`)).toEqual([
    "items.1 must be text",
  ]);
  expect(v.parse(list, { items: ["a"] })).toEqual({ items: ["a"] });
  expect(v.is(list, { items: "abc" })).toBe(false);
  expect(v.is(list, { items: "a" })).toBe(false);
});

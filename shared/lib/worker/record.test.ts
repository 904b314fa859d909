import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { record } from "./record.ts";

const numbers = record(v.string(), v.number("must be a number"));
const json = '{"__proto__":1,"constructor":2,"prototype":3,"toString":4,"hasOwnProperty":5}';
const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"];

describe("a record", () => {
  it("keeps every name, through JSON and structured clone", () => {
    const parsed = v.parse(numbers, JSON.parse(json));
    expect(Object.keys(parsed)).toEqual(names);
    expect(JSON.stringify(parsed)).toBe(json);
    expect(JSON.stringify(structuredClone(parsed))).toBe(json);
    expect(JSON.stringify({ ...parsed })).toBe(json);
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
    expect(JSON.stringify(v.parse(v.object({ a: v.optional(numbers) }), { a: parsed }))).toBe(
      `{"a":${json}}`,
    );
  });

  it("keeps any object as it is", () => {
    const anything = record(v.string(), v.unknown());
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.stringify(v.parse(anything, JSON.parse(text)))).toBe(text);
      }),
    );
  });

  it("names each wrong entry, also under those names", () => {
    const issuesOf = (schema: v.GenericSchema, value: unknown) =>
      v.safeParse(schema, value).issues?.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`);
    const wrong: unknown = JSON.parse('{"in":{"a":1,"__proto__":"x","constructor":{}}}');
    expect(issuesOf(v.object({ in: numbers }), wrong)).toEqual([
      "in.__proto__: must be a number",
      "in.constructor: must be a number",
    ]);
    const short = record(v.pipe(v.string(), v.maxLength(3, "is too long")), v.number());
    expect(issuesOf(short, { constructor: 1, a: 1 })).toEqual(["constructor: is too long"]);
    const deep = record(v.string(), v.object({ b: v.number("must be a number") }));
    expect(issuesOf(deep, { a: { b: "x" } })).toEqual(["a.b: must be a number"]);
  });

  it("converts its names and values", () => {
    const upper = record(v.pipe(v.string(), v.toUpperCase()), v.pipe(v.string(), v.length(1)));
    expect(v.parse(upper, { a: "b" })).toEqual({ A: "b" });
  });

  it.each([[null], ["text"], [1], [[1]]])("is no %j", (value) => {
    expect(v.is(numbers, value)).toBe(false);
  });
});

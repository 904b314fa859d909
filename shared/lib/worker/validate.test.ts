import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { validate, validatedApart } from "./validate.ts";

const HALF = "half \ud83c";
const message = "is not well-formed Unicode";
const anything = v.unknown();

describe("validate", () => {
  it("names each text that is not well-formed, at any depth, names of fields included", () => {
    const list = [1, [{ deep: HALF }]];
    expect(validate(anything, { fine: "🐈", list, [HALF]: null })).toEqual({
      ok: false,
      error: {
        tag: "invalid",
        errors: [
          { path: "half \ufffd", message },
          { path: "list.1.0.deep", message },
        ],
      },
    });
    expect(validate(v.string(), HALF)).toMatchObject({ error: { errors: [{ path: "body" }] } });
  });

  it("finds half an emoji wherever it stands in any value, and nothing else", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }), (value) => {
        const json = JSON.stringify(value);
        // `JSON.stringify` escapes exactly what is not well-formed.
        const expected = !/(?<!\\)(\\\\)*\\ud[89a-f]/.test(json);
        expect(validate(anything, value).ok).toBe(expected);
      }),
    );
  });

  it("ends for values that are circular, nested 500,000 times, or no data", () => {
    const circle: Record<string, unknown> = { text: "a" };
    circle["again"] = [circle];
    expect(validate(anything, circle).ok).toBe(true);
    let deep: unknown = HALF;
    for (let n = 0; n < 500_000; n += 1) deep = [deep];
    expect(validate(anything, { deep }).ok).toBe(false);
    expect(validate(anything, { at: new Date(), bytes: new Uint8Array(3), call() {} }).ok).toBe(
      true,
    );
  });

  it("names at most 20 fields", () => {
    const result = validate(
      anything,
      Array.from({ length: 100 }, () => HALF),
    );
    expect(result.ok ? [] : result.error.errors).toHaveLength(20);
  });

  it("leaves the entries of a list that are validated apart to their own validation", () => {
    const batch = v.strictObject({ emails: validatedApart(v.string(), 2), note: v.string() });
    expect(validate(batch, { emails: [HALF, 1], note: "" })).toEqual({
      ok: true,
      value: { emails: [HALF, 1], note: "" },
    });
    expect(validate(batch, { emails: [], note: HALF })).toMatchObject({
      error: { errors: [{ path: "note", message }] },
    });
    for (const emails of [[], ["a", "b", "c"], "a", undefined])
      expect(validate(batch, { emails, note: "" })).toMatchObject({
        error: { errors: [{ path: "emails" }] },
      });
  });
});

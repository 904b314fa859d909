import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { draftFrom, editedOf, lineDiff, templateState } from "./template-state.ts";

describe("the state of a template", () => {
  it("is good only if a version of its own is published", () => {
    const of = (template: Parameters<typeof templateState>[0]) => templateState(template).tone;
    expect(of({ name: "a", source: "built-in" })).toBe("idle");
    expect(of({ name: "a", source: "shared", latestVersion: 2 })).toBe("warn");
    expect(of({ name: "a", source: "shared", latestVersion: 2, publishedVersion: 1 })).toBe("good");
  });
});

describe("the editor", () => {
  it("stores again what it shows", () => {
    const content = { subject: "s", html: "h", layout: false, example: { a: [1, { b: null }] } };
    expect(draftFrom(editedOf(content))).toEqual(content);
    expect(draftFrom(editedOf({ ...content, text: "t" }))).toEqual({ ...content, text: "t" });
  });

  it.each(["", "{", "[]", "null", "1"])("has no draft while the example is %j", (example) => {
    expect(
      draftFrom({ ...editedOf({ subject: "", html: "", layout: true, example: {} }), example }),
    ).toBe(null);
  });
});

describe("the changes between two texts", () => {
  const text = fc
    .array(fc.constantFrom("a", "b", "c", ""), { maxLength: 8 })
    .map((lines) => lines.join("\n"));

  it("make the one of the other, and are none between equal ones", () => {
    fc.assert(
      fc.property(text, text, (from, to) => {
        const lines = lineDiff(from, to) ?? [];
        const of = (sign: string): string =>
          lines
            .filter((one) => one.sign !== sign)
            .map(({ line }) => line)
            .join("\n");
        expect(of("+")).toBe(from);
        expect(of("-")).toBe(to);
        expect(from !== to || lines.every(({ sign }) => sign === " ")).toBe(true);
      }),
    );
  });

  it("of long texts are not computed", () => {
    expect(lineDiff("\n".repeat(1_000), "")).toBeNull();
  });
});

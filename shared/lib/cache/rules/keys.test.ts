import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import {
  apiKeyKey,
  emailKey,
  relatedKey,
  relatedReads,
  userKey,
} from "../../../accounts/rules/keys.ts";
import { implicitTags, isPattern, nameOfShape, storageKey } from "./keys.ts";

describe("the keys", () => {
  it("are those of the mission", () => {
    expect([
      userKey("42"),
      emailKey("ada@example.com"),
      apiKeyKey("5e88"),
      ...relatedReads.map((what) => relatedKey("42", what)),
    ]).toEqual([
      "user:42",
      "email:ada@example.com",
      "api_key:5e88",
      "user:42:permissions",
      "user:42:subscription",
      "user:42:usage",
      "user:42:teams",
      "user:42:workspaces",
    ]);
  });
});

describe("an entry", () => {
  it("carries its key and each of its prefixes, so that a purge by either is one by tag", () => {
    expect(implicitTags("user:42:permissions")).toEqual([
      "user:42:permissions",
      "user:*",
      "user:42:*",
    ]);
    expect(implicitTags("plain")).toEqual(["plain"]);
  });

  it("carries exactly the patterns that match it", () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,3}$/);
    const key = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(":"));
    fc.assert(
      fc.property(key, key, (one, other) => {
        const matches = other.startsWith(`${one}:`);
        expect(implicitTags(other).includes(`${one}:*`)).toBe(matches);
      }),
    );
  });
});

describe("a pattern", () => {
  it.each(["user:*", "user:42:*"])("may be %s", (text) => expect(isPattern(text)).toBe(true));
  it.each(["*", "user*", "user:*:usage", "user:42", ":*x", "", "user:**"])(
    "may not be %j",
    (text) => expect(isPattern(text)).toBe(false),
  );
});

describe("a key in KV", () => {
  it("is itself as long as KV takes it, in bytes and not in characters", async () => {
    expect(await storageKey("k".repeat(512))).toBe("k".repeat(512));
    expect(await storageKey("ä".repeat(256))).toBe("ä".repeat(256));
    expect(await storageKey("ä".repeat(257))).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await storageKey("k".repeat(513))).not.toBe(await storageKey("l".repeat(513)));
  });
});

describe("the second name of a key in KV", () => {
  it("is the same for schemas of the same text, and differs between shapes", () => {
    const shapes = [
      () => v.strictObject({ n: v.number() }),
      () => v.object({ n: v.number() }),
      () => v.strictObject({ n: v.string() }),
      () => v.strictObject({ n: v.number(), name: v.optional(v.string()) }),
      () => v.picklist(["a", "b"]),
      () => v.pipe(v.string(), v.regex(/a/)),
      () => v.pipe(v.string(), v.regex(/b/)),
      () => v.literal(1n),
      () => v.lazy(() => v.string()),
    ];
    const names = shapes.map((shape) => nameOfShape("user:1", shape()));
    expect(new Set(names).size).toBe(shapes.length);
    expect(shapes.map((shape) => nameOfShape("user:1", shape()))).toEqual(names);
    for (const name of names) expect(name).toMatch(/^user:1#[0-9a-f]{8}$/);
  });
});

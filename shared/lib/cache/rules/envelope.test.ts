import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { decode, encode, type Envelope } from "./envelope.ts";

const schema = v.strictObject({ userId: v.string() });
const entry: Envelope<{ userId: string }> = {
  v: 1,
  key: "user:42",
  createdAt: 1_700_000_000_000,
  ttlMs: 300_000,
  tags: ["user:42"],
  seq: 7,
  generation: "g",
  value: { userId: "42" },
};
const text = (changes: Record<string, unknown> = {}): string =>
  JSON.stringify({ ...entry, ...changes });
const without = (field: string): string =>
  JSON.stringify(Object.fromEntries(Object.entries(entry).filter(([name]) => name !== field)));

describe("an entry", () => {
  it("is read as it was written", () => {
    const encoded = encode(entry);
    expect(
      decode(encoded.ok ? new TextDecoder().decode(encoded.value) : "", "user:42", schema),
    ).toEqual({ ok: true, value: entry });
  });

  it("is refused when its bytes, not its characters, are more than KV takes", () => {
    const { length } = text();
    const wide = { ...entry, value: { userId: "ä" } };
    expect(encode(entry, length)).toMatchObject({ ok: true });
    expect(encode(wide, length - 1)).toEqual({
      ok: false,
      error: { tag: "too-large", bytes: length },
    });
    expect(encode({ ...entry, value: { userId: "x".repeat(25 * 1_024 * 1_024) } })).toMatchObject({
      error: { tag: "too-large" },
    });
  });

  it.each([
    ["not-json", "{"],
    ["not-json", ""],
    ["not-an-envelope", "null"],
    ["not-an-envelope", "[]"],
    ["not-an-envelope", JSON.stringify(entry.value)],
    ["not-an-envelope", text({ v: 0 })],
    ["not-an-envelope", text({ v: 1.5 })],
    ["newer", text({ v: 2 })],
    ["newer", JSON.stringify({ v: 3, of: "tomorrow" })],
    ["not-an-envelope", text({ seq: -1 })],
    ["not-an-envelope", text({ seq: 1.5 })],
    ["not-an-envelope", text({ ttlMs: 0 })],
    ["not-an-envelope", text({ createdAt: "now" })],
    ["not-an-envelope", text({ tags: "user:42" })],
    ["another-key", text({ key: "user:43" })],
    ["not-the-shape", text({ value: { userId: 42 } })],
    ["not-the-shape", text({ value: null })],
    ["not-the-shape", text({ value: { userId: "42", admin: true } })],
  ])("that is %s is recognized: %s", (tag, stored) => {
    expect(decode(stored, "user:42", schema)).toEqual({ ok: false, error: { tag } });
  });

  it("with a further field of a newer release is read without it", () => {
    expect(decode(text({ extra: true }), "user:42", schema)).toEqual({ ok: true, value: entry });
  });

  it.each(Object.keys(entry))("without %s is corrupt", (field) => {
    expect(decode(without(field), "user:42", schema).ok).toBe(false);
  });

  it("that is anything at all never throws", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => text({ value: JSON.parse(json) as unknown })),
        ),
        (stored) => {
          const read = decode(stored, "user:42", schema);
          expect(read.ok ? Object.keys(read.value.value) : ["userId"]).toEqual(["userId"]);
        },
      ),
    );
  });
});

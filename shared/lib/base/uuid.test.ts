import fc from "fast-check";
import { expect, it } from "vitest";
import { newUuidV7, uuidV7 } from "./uuid.ts";

const anyTime = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const anyShard = fc.integer({ min: 0, max: 0xfff });
const anyRandom = fc.uint8Array({ minLength: 8, maxLength: 8 });

it("is the example of RFC 9562, A.6", () => {
  const random = Uint8Array.from([0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
  expect(uuidV7(0x017f22e279b0, 0xcc3, random)).toBe("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

it("has version and variant, and its time and shard can be read from it", () => {
  fc.assert(
    fc.property(anyTime, anyShard, anyRandom, (time, shard, random) => {
      const id = uuidV7(time, shard, random);
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(time);
      expect(Number.parseInt(id.slice(15, 18), 16)).toBe(shard);
    }),
  );
});

it("ids sort by their time", () => {
  fc.assert(
    fc.property(anyTime, anyTime, anyRandom, anyRandom, (a, b, x, y) => {
      fc.pre(a < b);
      expect(uuidV7(a, 0, x) < uuidV7(b, 0, y)).toBe(true);
    }),
  );
});

it("two of the same time differ", () => {
  expect(newUuidV7(1, 0)).not.toBe(newUuidV7(1, 0));
});

it.each([
  [-1, 0, 8],
  [1.5, 0, 8],
  [2 ** 48, 0, 8],
  [0, 4096, 8],
  [0, -1, 8],
  [0, 0, 7],
])("refuses what does not fit: time %d, shard %d, %i bytes", (time, shard, bytes) => {
  expect(() => uuidV7(time, shard, new Uint8Array(bytes))).toThrow(RangeError);
});

import { expect, it } from "vitest";
import { HeldBytes } from "./held-bytes.ts";

it("what is held counts until it is released, each hold by itself", () => {
  const held = new HeldBytes();
  const first = held.take(3, 100);
  held.take(3, 100);
  expect(held.total(0)).toBe(6);
  held.release(first);
  held.release(first);
  expect(held.total(0)).toBe(3);
});

it("what a cancelled invocation held counts until the time that it named, and no longer", () => {
  const held = new HeldBytes();
  held.take(5, 100);
  held.take(7, 200);
  expect([99, 100, 199, 200].map((now) => held.total(now))).toEqual([12, 7, 7, 0]);
});

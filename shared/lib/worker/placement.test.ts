import { expect, it } from "vitest";
import { objectLocation, getStub } from "./placement.ts";

const asked: unknown[][] = [];
const namespace = {
  getByName: (...args: unknown[]) => void asked.push(args),
} as unknown as DurableObjectNamespace;
const ask = (OBJECT_LOCATION_HINT?: string): unknown[] => {
  asked.length = 0;
  getStub(namespace, "cache", OBJECT_LOCATION_HINT === undefined ? {} : { OBJECT_LOCATION_HINT });
  return asked;
};

it("an object is asked for near the location of the variable, so that its first request makes it there", () => {
  expect(ask("weur")).toEqual([["cache", { locationHint: "weur" }]]);
});

it("without it, or with a bad one, an object is asked for all the same", () => {
  expect(ask()).toEqual([["cache"]]);
  expect(ask("")).toEqual([["cache"]]);
  expect(ask("atlantis")).toEqual([["cache"]]);
});

it("a bad one is named", () => {
  expect(objectLocation({ OBJECT_LOCATION_HINT: "atlantis" })).toMatchObject({
    ok: false,
    error: { variable: "OBJECT_LOCATION_HINT" },
  });
});

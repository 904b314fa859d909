import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { eventBody, readEvent } from "./events.ts";
import { matches, subscriptions } from "./subscriptions.ts";

const at = Date.UTC(2026, 10, 30);
const stored = { type: "team.created", at, tenant: "user:ada" };

it("the body of an event is the same text at each attempt, and is read back as it was", () => {
  const body = eventBody({ ...stored, data: '{"teamId":"t","name":"A \\"team\\""}' });
  expect(body).toBe(
    '{"type":"team.created","version":1,"timestamp":"2026-11-30T00:00:00.000Z",' +
      '"tenant":"user:ada","data":{"teamId":"t","name":"A \\"team\\""}}',
  );
  expect(readEvent(JSON.parse(body))?.data).toEqual({ teamId: "t", name: 'A "team"' });
});

it("what a later release adds to an event is left out", () => {
  const body = JSON.parse(eventBody({ ...stored, data: '{"teamId":"t","name":"a","later":1}' }));
  expect(readEvent({ ...body, later: 1 })?.data).toEqual({ teamId: "t", name: "a" });
});

it.each([
  null,
  "text",
  {},
  { type: "constructor" },
  { type: "team.created", version: 2 },
  JSON.parse(eventBody({ ...stored, data: "{}" })),
])("%j is no event of this release", (body) => {
  expect(readEvent(body)).toBeNull();
});

describe("an endpoint gets", () => {
  const event = { tenant: "user:ada", type: "email.sent" };
  it.each([
    ["user:ada", ["*"], true],
    ["user:ada", ["email.*"], true],
    ["user:ada", ["email.sent"], true],
    ["user:ada", ["email.dead", "user.*"], false],
    ["user:bob", ["*"], false],
    ["admin", ["email.sent"], true],
    ["admin", ["team.*"], false],
  ])("as %s, subscribed to %j: %s", (tenant, events, expected) => {
    expect(matches({ tenant, events }, event)).toBe(expected);
  });
});

it("subscriptions are stored without repeats, in one order", () => {
  const parsed = v.parse(subscriptions, ["email.sent", "email.*", "email.sent"]);
  expect(parsed).toEqual(["email.*", "email.sent"]);
});

it.each([[[]], [["email.opened"]], [["email"]], [Array.from({ length: 51 }, () => "*")]])(
  "%j is refused",
  (events) => {
    expect(v.is(subscriptions, events)).toBe(false);
  },
);

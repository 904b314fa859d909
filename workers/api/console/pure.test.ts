import { describe, expect, it } from "vitest";
import {
  changesText,
  countText,
  durationText,
  exactText,
  percentText,
  relativeText,
} from "./format.ts";
import { nextDelayMs } from "./poll.ts";
import { linkTo, placeOf } from "./router.ts";

describe("a fragment", () => {
  it.each([
    ["", { page: "overview", id: null }],
    ["#/", { page: "overview", id: null }],
    ["#/email/a%2Fb", { page: "email", id: "a/b" }],
    ["#/dead-letters", { page: "dead-letters", id: null }],
    ["#/tasks/x", { page: "nowhere", id: null }],
    ["#/no-such-page", { page: "nowhere", id: null }],
    ["#/email/a/b", { page: "nowhere", id: null }],
    ["#/email/%", { page: "email", id: "%" }],
  ])("%s is a page", (hash, place) => {
    expect(placeOf(hash)).toMatchObject(place);
  });

  it("of a link leads back to its page, id and query", () => {
    const link = linkTo("email", "a/b?c#d", { to: "ada+1@example.com", status: "" });
    const { page, id, query } = placeOf(link);
    expect([page, id, [...query]]).toEqual(["email", "a/b?c#d", [["to", "ada+1@example.com"]]]);
  });
});

it("polling slows down after failures, and never outruns the server's Retry-After", () => {
  expect(
    [0, 1, 2, 3, 4, 5, 6, 60].map((failures) => nextDelayMs(2_000, failures, null, 0.5)),
  ).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  expect(nextDelayMs(2_000, 1, 120_000, 0.5)).toBe(120_000);
  expect([nextDelayMs(2_000, 1, null, 0), nextDelayMs(2_000, 1, null, 1)]).toEqual([3_200, 4_800]);
});

it("times and numbers are rounded to one unit", () => {
  const now = Date.parse("2026-11-25T08:30:12Z");
  expect(
    [0, -30_000, 90_000, -7_000_000, -90_000_000, 400_000_000].map((ms) =>
      relativeText(now + ms, now),
    ),
  ).toEqual(["now", "30 s ago", "in 90 s", "116 min ago", "25 h ago", "in 4 days"]);
  expect(exactText(now)).toBe("2026-11-25 08:30:12 UTC");
  expect([12, 3_400, 240_000].map(durationText)).toEqual(["12 ms", "3.4 s", "4 min"]);
  expect([countText(1, "email"), countText(1_200, "email")]).toEqual(["1 email", "1,200 emails"]);
  expect([percentText(1, 3), percentText(0, 0)]).toEqual(["33.3 %", "–"]);
});

it("what an audited request changed is shown with the old and the new value", () => {
  expect(
    changesText([
      { field: "tier", from: "free", to: "pro" },
      { field: "role", from: "member" },
      { field: "reason", to: "a drill" },
    ]),
  ).toBe("tier: free → pro, role: member → none, reason: a drill");
  expect(changesText([])).toBe("");
});

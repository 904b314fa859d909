import { expect, it } from "vitest";
import { DAY_MS } from "../../lib/base/clock.ts";
import { firstSubscription, noticeAheadMs } from "./trials.ts";

it("a paid tier begins with a trial of the days that are set", () => {
  expect(firstSubscription("pro", { trialDays: 30, hadTrial: false }, 5)).toEqual({
    status: "trialing",
    tier: "pro",
    trialEndsAt: 5 + 30 * DAY_MS,
  });
});

it("without trials a paid tier is active at once, also for an address that had one", () => {
  for (const hadTrial of [false, true])
    expect(firstSubscription("pro", { trialDays: 0, hadTrial }, 5)).toEqual({
      status: "active",
      tier: "pro",
      trialEndsAt: null,
    });
});

it.each([
  [14, 3],
  [6, 3],
  [4, 2],
  [1, 0.5],
  // Of trials that began before they were switched off.
  [0, 3],
])("the end of a trial of %d days is announced %d days before", (trialDays, days) => {
  expect(noticeAheadMs(trialDays)).toBe(days * DAY_MS);
});

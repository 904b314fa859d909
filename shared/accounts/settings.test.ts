import { expect, it } from "vitest";
import { checkAccountSettings, tierName, trialDays, wrongAccountVariables } from "./settings.ts";

it("without settings a trial has 14 days, and a tier is its own name", () => {
  for (const env of [{}, { TIER_NAMES: " " }]) {
    expect(trialDays(env)).toBe(14);
    expect(tierName(env, "enterprise")).toBe("enterprise");
    expect(wrongAccountVariables(env)).toEqual([]);
  }
});

it("trials and the names of tiers are as set", () => {
  const env = { TRIAL_DAYS: "0", TIER_NAMES: "Starter, Team , Big business" };
  expect(trialDays(env)).toBe(0);
  expect((["free", "pro", "enterprise"] as const).map((tier) => tierName(env, tier))).toEqual([
    "Starter",
    "Team",
    "Big business",
  ]);
  expect(checkAccountSettings(env)).toEqual({ ok: true, value: null });
});

it.each([
  { TRIAL_DAYS: "two weeks" },
  { TRIAL_DAYS: "366" },
  { TIER_NAMES: "Starter, Team" },
  { TIER_NAMES: "Starter, Team, Business, More" },
  { TIER_NAMES: "Starter,, Business" },
  { TIER_NAMES: `Starter, Team, ${"a".repeat(41)}` },
  { TIER_NAMES: "Starter, Te\u202eam, Business" },
])("%j is refused by name, and the default is used meanwhile", (env) => {
  const refused = { tag: "misconfigured", variable: Object.keys(env)[0] };
  expect(checkAccountSettings(env)).toMatchObject({ ok: false, error: refused });
  expect(wrongAccountVariables(env)).toMatchObject([refused]);
  expect([trialDays(env), tierName(env, "pro")]).toEqual([14, "pro"]);
});

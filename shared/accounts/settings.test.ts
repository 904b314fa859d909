import { expect, it } from "vitest";
import {
  checkAccountSettings,
  tierName,
  trialDays,
  usageQuota,
  wrongAccountVariables,
} from "./settings.ts";

it("without settings a trial has 14 days, a tier is its own name, and usage has no quota", () => {
  for (const env of [{}, { TIER_NAMES: " ", USAGE_MAX_PER_MONTH_BY_TIER: " " }]) {
    expect(trialDays(env)).toBe(14);
    expect(tierName(env, "enterprise")).toBe("enterprise");
    expect(usageQuota(env, "exports")).toBeNull();
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

it("the metrics that are named have a quota, unless no tier has a limit", () => {
  const env = { USAGE_MAX_PER_MONTH_BY_TIER: "exports=10,1000,0; calls=0,0,0" };
  expect(usageQuota(env, "exports")).toEqual({ free: 10, pro: 1_000 });
  for (const metric of ["calls", "renders", "constructor"])
    expect(usageQuota(env, metric)).toBeNull();
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
  { USAGE_MAX_PER_MONTH_BY_TIER: "exports" },
  { USAGE_MAX_PER_MONTH_BY_TIER: "exports=10,1000" },
  { USAGE_MAX_PER_MONTH_BY_TIER: "exports=10,1000,0; 1st=1,2,3" },
  { USAGE_MAX_PER_MONTH_BY_TIER: "exports=10,1000,0; exports=1,2,3" },
])("%j is refused by name, and the default is used meanwhile", (env) => {
  const refused = { tag: "misconfigured", variable: Object.keys(env)[0] };
  expect(checkAccountSettings(env)).toMatchObject({ ok: false, error: refused });
  expect(wrongAccountVariables(env)).toMatchObject([refused]);
  expect([trialDays(env), tierName(env, "pro"), usageQuota(env, "exports")]).toEqual([
    14,
    "pro",
    null,
  ]);
});

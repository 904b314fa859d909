import * as v from "valibot";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { trimmedLine } from "../lib/worker/one-line.ts";
import {
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";
import { tiers, type AccountTier } from "./rules/schemas.ts";
import { parseUsageQuotas, type UsageQuota } from "./rules/usage-quotas.ts";

const DEFAULT_TRIAL_DAYS = 14;
const trialVariable = v.object({ TRIAL_DAYS: wholeNumber(DEFAULT_TRIAL_DAYS, 0, 365) });

const namesVariable = v.object({
  TIER_NAMES: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => (text.trim() === "" ? [...tiers] : text.split(","))),
      v.length(tiers.length, `must have ${tiers.length} names, of ${tiers.join(", ")}`),
      v.array(trimmedLine(40)),
    ),
    tiers.join(),
  ),
});

const quotasVariable = v.object({
  USAGE_MAX_PER_MONTH_BY_TIER: v.optional(
    v.pipe(
      v.string(),
      v.rawTransform<string, Map<string, UsageQuota>>(({ dataset, addIssue, NEVER }) => {
        const quotas = parseUsageQuotas(dataset.value);
        if (quotas.ok) return quotas.value;
        addIssue({ message: quotas.error });
        return NEVER;
      }),
    ),
    "",
  ),
});

export type AccountVariables = VariablesOf<typeof trialVariable> &
  VariablesOf<typeof namesVariable> &
  VariablesOf<typeof quotasVariable>;

/** How many days a trial has; 0: none begins. The default while the variable is invalid. */
export function trialDays(env: AccountVariables): number {
  const read = readVariables(trialVariable, env);
  return read.ok ? read.value.TRIAL_DAYS : DEFAULT_TRIAL_DAYS;
}

/** A tier as users read it. The API has the tier itself. */
export function tierName(env: AccountVariables, tier: AccountTier): string {
  const read = readVariables(namesVariable, env);
  return (read.ok ? read.value.TIER_NAMES[tiers.indexOf(tier)] : undefined) ?? tier;
}

/** How much of a metric a user may count per month. Null if no tier has a limit. */
export function usageQuota(env: AccountVariables, metric: string): UsageQuota | null {
  const read = readVariables(quotasVariable, env);
  const quota = read.ok ? read.value.USAGE_MAX_PER_MONTH_BY_TIER.get(metric) : undefined;
  return quota === undefined || Object.keys(quota).length === 0 ? null : quota;
}

/** The variables that are invalid. */
export function wrongAccountVariables(env: AccountVariables): Misconfigured[] {
  return [
    readVariables(trialVariable, env),
    readVariables(namesVariable, env),
    readVariables(quotasVariable, env),
  ].flatMap((read) => (read.ok ? [] : [read.error]));
}

/** For the start and for deployments, which stop at the first invalid setting. */
export function checkAccountSettings(env: AccountVariables): Result<null, Misconfigured> {
  const [wrong] = wrongAccountVariables(env);
  return wrong === undefined ? ok(null) : fail(wrong);
}

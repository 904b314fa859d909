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

export type AccountVariables = VariablesOf<typeof trialVariable> &
  VariablesOf<typeof namesVariable>;

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

/** The variables that are invalid. */
export function wrongAccountVariables(env: AccountVariables): Misconfigured[] {
  return [readVariables(trialVariable, env), readVariables(namesVariable, env)].flatMap((read) =>
    read.ok ? [] : [read.error],
  );
}

/** For the start and for deployments, which stop at the first invalid setting. */
export function checkAccountSettings(env: AccountVariables): Result<null, Misconfigured> {
  const [wrong] = wrongAccountVariables(env);
  return wrong === undefined ? ok(null) : fail(wrong);
}

import * as v from "valibot";
import { ok, type Result } from "../lib/base/result.ts";
import {
  readVariables,
  wholeNumber,
  type Misconfigured,
  type VariablesOf,
} from "../lib/worker/variables.ts";
import type { DailyLimits } from "./rules/daily-limits.ts";

const MOST = 100_000_000;
const NO_LIMIT = 0;
/** free, pro and enterprise. */
const TIERS = 3;

const variables = v.object({
  EMAIL_MAX_PER_DAY: wholeNumber(NO_LIMIT, 0, MOST),
  EMAIL_MAX_PER_DAY_BY_TIER: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => (text.trim() === "" ? [] : text.split(",").map((one) => one.trim()))),
      v.check(
        (given) => given.length === 0 || given.length === TIERS,
        "must have three numbers, of free, pro and enterprise",
      ),
      v.array(
        v.pipe(v.string(), v.regex(/^\d{1,9}$/, "must be whole numbers"), v.transform(Number)),
      ),
    ),
    "",
  ),
});

export type DailyLimitVariables = VariablesOf<typeof variables>;

/**
 * How many emails a caller may hand in per day.
 *
 * @param tier the place of the user's tier; null for a caller without one
 * @returns null if nothing is limited
 */
export function dailyLimits(
  env: DailyLimitVariables,
  tier: number | null,
): Result<DailyLimits | null, Misconfigured> {
  const read = readVariables(variables, env);
  if (!read.ok) return read;
  const all = limitOf(read.value.EMAIL_MAX_PER_DAY);
  const own = tier === null ? null : limitOf(read.value.EMAIL_MAX_PER_DAY_BY_TIER[tier]);
  return ok(all === null && own === null ? null : { own, all });
}

const limitOf = (most: number | undefined): number | null =>
  most === undefined || most === NO_LIMIT ? null : most;

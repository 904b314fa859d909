import * as v from "valibot";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import { metric, tiers, type AccountTier } from "./schemas.ts";

/** How much of a metric a user may count per month (UTC), by tier. A missing tier has no limit. */
export type UsageQuota = Partial<Record<AccountTier, number>>;

const NO_LIMIT = 0;
const NOT_QUOTAS =
  `must have three whole numbers per metric, of ${tiers.join(", ")}, ` +
  "such as exports=10,1000,0; calls=1000,100000,0";

/**
 * The quotas of each metric. A metric without a limit has none.
 *
 * @returns what is wrong with the text, without the text
 */
export function parseUsageQuotas(text: string): Result<Map<string, UsageQuota>, string> {
  const quotas = new Map<string, UsageQuota>();
  for (const entry of text.split(";").filter((one) => one.trim() !== "")) {
    const parts = entry.split("=").map((one) => one.trim());
    const [name = "", numbers = ""] = parts;
    const limits = numbers.split(",").map((one) => one.trim());
    const isQuota =
      parts.length === 2 &&
      v.is(metric, name) &&
      limits.length === tiers.length &&
      // Those of 15 digits are exact.
      limits.every((one) => /^\d{1,15}$/.test(one));
    if (!isQuota) return fail(NOT_QUOTAS);
    if (quotas.has(name)) return fail("names a metric twice");
    quotas.set(name, quotaOf(limits.map(Number)));
  }
  return ok(quotas);
}

function quotaOf(limits: readonly number[]): UsageQuota {
  const ofTiers = tiers.map((tier, place) => [tier, limits[place] ?? NO_LIMIT] as const);
  return Object.fromEntries(ofTiers.filter(([, limit]) => limit !== NO_LIMIT));
}

/** How long until the next month (UTC) begins, in milliseconds. */
export function untilNextMonthMs(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) - now;
}

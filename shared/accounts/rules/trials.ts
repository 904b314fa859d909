import { DAY_MS } from "../../lib/base/clock.ts";
import type { AccountTier } from "./schemas.ts";

/** The tier and the subscription that a sign-up begins with. */
export type FirstSubscription =
  | { status: "active"; tier: AccountTier; trialEndsAt: null }
  | { status: "trialing"; tier: AccountTier; trialEndsAt: number }
  /** As after a trial that was not converted. */
  | { status: "cancelled"; tier: "free"; trialEndsAt: number };

export const hasTrial = (tier: AccountTier, trialDays: number): boolean =>
  tier !== "free" && trialDays > 0;

/**
 * The subscription of a sign-up for a tier. A paid tier begins with a trial, if trials have any
 * days. An address that had a trial gets no second one. Pure.
 */
export function firstSubscription(
  tier: AccountTier,
  { trialDays, hadTrial }: { trialDays: number; hadTrial: boolean },
  now: number,
): FirstSubscription {
  if (!hasTrial(tier, trialDays)) return { status: "active", tier, trialEndsAt: null };
  return hadTrial
    ? { status: "cancelled", tier: "free", trialEndsAt: now }
    : { status: "trialing", tier, trialEndsAt: now + trialDays * DAY_MS };
}

const MAX_AHEAD_DAYS = 3;

/** How long before the end of a trial its user is notified: in its second half. Pure. */
export function noticeAheadMs(trialDays: number): number {
  const days = trialDays === 0 ? MAX_AHEAD_DAYS : Math.min(MAX_AHEAD_DAYS, trialDays / 2);
  return days * DAY_MS;
}

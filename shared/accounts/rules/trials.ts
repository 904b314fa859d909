import { DAY_MS } from "../../lib/base/clock.ts";
import type { AccountTier } from "./schemas.ts";

const TRIAL_MS = 14 * DAY_MS;

/** When a trial that starts now ends: in 14 days. Null for a tier without a trial. Pure. */
export function trialEnd(tier: AccountTier, now: number): number | null {
  return tier === "free" ? null : now + TRIAL_MS;
}

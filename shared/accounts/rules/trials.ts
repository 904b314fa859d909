import type { Tier } from "./schemas.ts";

const TRIAL_MS = 14 * 86_400_000;

/**
 * When the trial of somebody who signs up now ends: fourteen days from now, null for a tier that
 * has none. Pure.
 */
export function trialEnd(tier: Tier, now: number): number | null {
  return tier === "free" ? null : now + TRIAL_MS;
}

import type { BreakerSettings } from "./settings.ts";

/** A probe per so many calls of a slow fleet. */
const CALLS_PER_PROBE = 20;
/** A probe comes at the latest when the outage is this share longer. */
const OUTAGE_SHARE = 0.1;
/** A server may ask for at most this. */
const MAX_RETRY_AFTER_MS = 60_000;

/** The open time before the first probe. */
export function firstOpenMs({ openMs }: BreakerSettings, retryAfterMs: number): number {
  return Math.max(openMs, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));
}

/**
 * The open time after a failed probe. A probe is one call of the fleet, so it may come soon: 5 s
 * later in a busy fleet. It is rarer in a slow fleet, of whose calls it takes a twentieth, and in a
 * long outage, which it makes longer by a tenth at most.
 *
 * @param usual calls per millisecond before the outage
 * @param retryAfterMs what the dependency asked for, 0 if nothing
 */
export function nextOpenMs(
  { openMs, retryMs, maxOpenMs }: BreakerSettings,
  { outageMs, usual, retryAfterMs }: { outageMs: number; usual: number; retryAfterMs: number },
): number {
  const slowMs = usual > 0 ? CALLS_PER_PROBE / usual : Number.POSITIVE_INFINITY;
  const atLeastMs = Math.min(Math.max(retryMs, slowMs), openMs);
  const dueMs = Math.max(atLeastMs, Math.max(outageMs, 0) * OUTAGE_SHARE);
  return Math.max(
    Math.min(dueMs, Math.max(maxOpenMs, openMs)),
    Math.min(retryAfterMs, MAX_RETRY_AFTER_MS),
  );
}

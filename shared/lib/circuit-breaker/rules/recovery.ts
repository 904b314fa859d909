import { firstOpenMs, nextOpenMs } from "./open-time.ts";
import { closedAt, type Breaker, type HalfOpen, type Phase } from "./phase.ts";
import { beginRamp, countInRamp, isRampOver } from "./ramp.ts";
import type { BreakerSettings } from "./settings.ts";
import { changed, moved, unchanged, type Cause, type Decision } from "./transition.ts";

/** How a half-open breaker closes, and how it opens again. */

/** From so many calls per millisecond on there is a ramp. */
const RAMP_FROM = 1 / 1_000;

/**
 * Begins the ramp. A fleet with less than a call per second cannot overload a dependency that has
 * just answered: its breaker closes at once.
 */
export function probeSucceeded(
  breaker: Breaker,
  phase: HalfOpen,
  settings: BreakerSettings,
  now: number,
): Decision {
  const { usual } = phase;
  const why = { cause: "probe-succeeded", at: now } as const;
  if (settings.rampShare >= 1 || usual < RAMP_FROM)
    return moved(breaker, closedAt(now, usual), why);
  return moved(breaker, { ...phase, permit: null, ramp: beginRamp(settings, now) }, why);
}

export function reopened(
  breaker: Breaker,
  why: {
    cause: Cause;
    phase: HalfOpen;
    reason?: string | undefined;
    /** What the dependency asked callers to wait. */
    askedMs?: number | undefined;
  },
  settings: BreakerSettings,
  now: number,
): Decision {
  const { cause, reason, askedMs = 0 } = why;
  const { reopens, downSince, usual } = why.phase;
  const outage = { outageMs: now - downSince, usual, retryAfterMs: askedMs };
  const durationMs = reopens < 0 ? firstOpenMs(settings, askedMs) : nextOpenMs(settings, outage);
  const open: Phase = {
    state: "OPEN",
    openedAt: now,
    durationMs,
    reopens: reopens + 1,
    downSince,
    usual,
  };
  return moved(breaker, open, { cause, at: now, ...(reason !== undefined && { reason }) });
}

/** A ramp is over when all calls have run for a second and few of them failed. */
export function endRampIfOver(breaker: Breaker, settings: BreakerSettings, now: number): Decision {
  const { phase } = breaker;
  if (phase.state !== "HALF_OPEN" || phase.ramp === null || !isRampOver(phase.ramp, now))
    return unchanged(breaker);
  const ramp = countInRamp(
    phase.ramp,
    { failures: 0, calls: 0, usual: phase.usual },
    settings,
    now,
  );
  if (ramp === "failed") return reopened(breaker, { cause: "ramp-failed", phase }, settings, now);
  if (ramp.share < 1) return changed({ ...breaker, phase: { ...phase, ramp } });
  return moved(breaker, closedAt(now, phase.usual), { cause: "recovered", at: now });
}

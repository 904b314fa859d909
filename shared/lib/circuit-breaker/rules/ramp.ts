import type { BreakerSettings } from "./settings.ts";

/**
 * How a dependency that has answered the probe gets its traffic back: a share of the calls that
 * doubles each second. If more than a tenth of it fails, the share falls to what the dependency
 * just took and then grows half as fast. Times in milliseconds.
 */
export type Ramp = {
  /** From 0 to 1, at `at`. */
  readonly share: number;
  /** May lie ahead by the time in which isolates learn of a smaller share. */
  readonly at: number;
  readonly doublesMs: number;
  /** Reported since `at`. */
  readonly failures: number;
  readonly calls: number;
};

/** This share of failures does not slow the ramp down. */
const TOLERATED = 0.1;
/** Fewer failures do not, however few the calls. */
const FEW_FAILURES = 3;
/** If so many of the calls fail, the breaker opens again. */
const HOPELESS = 0.9;
/** After a smaller share: what fails before all isolates have it is no news. */
const SETTLE_MS = 1_500;
const SLOWEST_MS = 8_000;
/** A second without a failure shortens the time in which the share doubles by this factor. */
const FASTER = 0.85;
/** A smaller share aims below what the dependency just took. */
const BELOW_CAPACITY = 0.9;
const LEAST_SHARE = 0.02;
const PERIOD_MS = 1_000;

export function beginRamp({ rampShare, rampMs }: BreakerSettings, now: number): Ramp {
  return { share: rampShare, at: now, doublesMs: rampMs, failures: 0, calls: 0 };
}

/** The share of the calls that runs at `now`, from 0 to 1. */
export function shareAt(
  { share, at, doublesMs }: Pick<Ramp, "share" | "at" | "doublesMs">,
  now: number,
): number {
  return Math.min(share * 2 ** (Math.max(now - at, 0) / doublesMs), 1);
}

/** Whether all calls have run for as long as it takes to see what that does. */
export function isRampOver({ share, at, doublesMs }: Ramp, now: number): boolean {
  return now - at >= Math.max(Math.log2(1 / share), 0) * doublesMs + PERIOD_MS;
}

/** Sets a time that lies too far ahead to `now`: the clock was set back. */
export function clampRampToNow(ramp: Ramp, now: number): Ramp {
  return ramp.at > now + SETTLE_MS ? { ...ramp, at: now } : ramp;
}

/**
 * Counts a report, and looks back at each second. It does not look sooner: failures are known at
 * once, and the number of calls is known only from the traffic before the outage.
 *
 * @param counts `usual`: calls per millisecond before the outage
 */
export function countInRamp(
  ramp: Ramp,
  counts: { failures: number; calls: number; usual: number },
  settings: BreakerSettings,
  now: number,
): Ramp | "failed" {
  if (now < ramp.at) return ramp;
  const failures = ramp.failures + counts.failures;
  const calls = ramp.calls + counts.calls;
  if (now - ramp.at < PERIOD_MS) return { ...ramp, failures, calls };
  const share = shareAt(ramp, now);
  const expected = Math.max(calls, counts.usual * fullTrafficMs(ramp, now));
  const failing = expected > 0 ? Math.min(failures / expected, 1) : 0;
  if (failures < FEW_FAILURES || failing <= TOLERATED) {
    const doublesMs =
      failures === 0 ? Math.max(ramp.doublesMs * FASTER, settings.rampMs) : ramp.doublesMs;
    return { share, at: now, doublesMs, failures: 0, calls: 0 };
  }
  if (failures >= settings.failures && failing >= HOPELESS) return "failed";
  return {
    share: Math.max(share * (1 - failing) * BELOW_CAPACITY, LEAST_SHARE),
    at: now + SETTLE_MS,
    doublesMs: Math.min(ramp.doublesMs * 2, SLOWEST_MS),
    failures: 0,
    calls: 0,
  };
}

/** For how long the full traffic would make as many calls as the ramp has let run since `at`. */
function fullTrafficMs(ramp: Ramp, now: number): number {
  const grown = shareAt(ramp, now) - ramp.share;
  // The integral of the share. At a share of 1 it is an upper bound.
  return grown <= 0 ? ramp.share * (now - ramp.at) : (grown * ramp.doublesMs) / Math.LN2;
}

import { elapsedMs } from "../../base/clock.ts";
import { closedAt, initialBreaker, type Breaker, type Snapshot } from "./phase.ts";
import { shareAt } from "./ramp.ts";
import type { BreakerSettings } from "./settings.ts";
import { decide } from "./state.ts";
import type { Counts } from "./window.ts";
import { fromWire } from "./wire.ts";

/** A snapshot that an isolate has received, and what follows from it at a later time. */
export type HeldSnapshot = {
  snapshot: Snapshot;
  /** When the request was sent. The snapshot ages from here, so a slow reply does not extend it. */
  askedAt: number;
  receivedAt: number;
  /** This isolate asks for a permit so much later than it may. */
  spreadMs: number;
  /** How many times longer than usual the snapshot is fresh, because there are many isolates. */
  crowd: number;
};

/**
 * A snapshot as it was received. If there are so many isolates that snapshots last longer than
 * `leaseMs`, they do not ask all at once.
 */
export function heldFrom(
  received: Snapshot,
  times: { askedAt: number; receivedAt: number },
  leaseMs: number,
  random: () => number,
): HeldSnapshot {
  const snapshot = fromWire(received);
  const crowd = Math.max(snapshot.leaseMs / leaseMs, 1);
  const spreadMs = crowd > 1 ? random() * (crowd - 1) * leaseMs : 0;
  return { snapshot, ...times, spreadMs, crowd };
}

/**
 * The decision on one call. `probe`: the open time is over, so the object decides which call may
 * probe. `retryAfterMs` in milliseconds. `share`: during recovery only this share of the calls
 * runs, from 0 to 1; without it all of them run.
 */
export type Admission =
  | { do: "allow"; share?: number }
  | { do: "reject"; retryAfterMs: number }
  | { do: "probe" };

export function admissionUnder(held: HeldSnapshot, now: number): Admission {
  const { snapshot, receivedAt } = held;
  if (snapshot.state === "CLOSED") return { do: "allow" };
  const { override, retryAfterMs, ramp } = snapshot;
  // A share grows, and the ramp may have failed since: an old snapshot does not show that.
  if (ramp !== undefined)
    return isOutdated(held, now) ? { do: "probe" } : { do: "allow", share: shareUnder(held, now) };
  // Only an operator ends this override, and the next snapshot will show it.
  const endless = override.kind === "forced-open" && !override.ends;
  const leftMs = endless ? retryAfterMs : retryAfterMs + held.spreadMs - elapsedMs(receivedAt, now);
  if (leftMs <= 0) return { do: "probe" };
  // A renewal is under way: a newer snapshot will be here soon.
  return {
    do: "reject",
    retryAfterMs: isOutdated(held, now)
      ? Math.min(leftMs, RENEWAL_MS)
      : suggestedRetryMs(snapshot, leftMs),
  };
}

const RENEWAL_MS = 1_000;

/** The share of the calls that runs under a snapshot. It grows only while the snapshot is fresh. */
export function shareUnder({ snapshot, askedAt, receivedAt }: HeldSnapshot, now: number): number {
  const { ramp, leaseMs } = snapshot;
  if (ramp === undefined) return snapshot.state === "CLOSED" ? 1 : 0;
  return shareAt({ ...ramp, at: receivedAt }, Math.min(now, askedAt + leaseMs));
}

/**
 * When a rejected call should try again. A probe usually ends long before its permit, and all
 * isolates have the result within `leaseMs`.
 */
export function suggestedRetryMs({ state, leaseMs }: Snapshot, leftMs: number): number {
  return state === "HALF_OPEN" ? Math.min(leftMs, leaseMs) : leftMs;
}

/** Whether a snapshot is older than the time for which it is fresh. */
export function isOutdated(
  { snapshot, askedAt }: Pick<HeldSnapshot, "snapshot" | "askedAt">,
  now: number,
): boolean {
  return elapsedMs(askedAt, now) >= snapshot.leaseMs;
}

/** A snapshot that was not renewed for so long is of an isolate that was idle. */
const OLD_MS = 1_000;

/** Whether an isolate that was idle would decide by what held long ago. */
export function isOld(held: HeldSnapshot | null, now: number): boolean {
  return held === null || elapsedMs(held.askedAt, now) >= held.snapshot.leaseMs + OLD_MS;
}

/**
 * A breaker for an isolate that cannot reach the object. It continues from the last snapshot, with
 * the operator's override and the isolate's own counts.
 */
export function breakerFrom(
  held: HeldSnapshot | null,
  counts: Counts,
  settings: BreakerSettings,
  now: number,
): Breaker {
  if (held === null) return withCounts(initialBreaker, counts, settings, now);
  const { epoch, override, state, retryAfterMs } = held.snapshot;
  if (state === "CLOSED") {
    const breaker = { epoch, override, phase: closedAt(now, 0) };
    return withCounts(breaker, counts, settings, now);
  }
  const durationMs = Math.max(retryAfterMs - elapsedMs(held.receivedAt, now), 0);
  return {
    epoch,
    override,
    phase: { state: "OPEN", openedAt: now, durationMs, reopens: 0, downSince: now, usual: 0 },
  };
}

function withCounts(
  breaker: Breaker,
  { failures, calls }: Counts,
  settings: BreakerSettings,
  now: number,
): Breaker {
  const { epoch } = breaker;
  return decide(breaker, { type: "report", epoch, failures, calls }, settings, now).breaker;
}

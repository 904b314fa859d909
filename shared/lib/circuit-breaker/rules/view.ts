import { elapsedMs } from "../../base/clock.ts";
import { initialBreaker, type Breaker, type Snapshot } from "./phase.ts";
import type { BreakerSettings } from "./settings.ts";
import { decide } from "./state.ts";
import { emptyWindow, type Counts } from "./window.ts";

/** A snapshot that an isolate has received, and what follows from it at a later time. */
export type View = {
  snapshot: Snapshot;
  /** When the request was sent. The snapshot ages from here, so a slow reply does not extend it. */
  askedAt: number;
  receivedAt: number;
};

/**
 * The decision on one call. `probe`: the open time is over, so the object decides which call may
 * probe. `retryAfterMs` in milliseconds.
 */
export type Admission = { do: "allow" } | { do: "reject"; retryAfterMs: number } | { do: "probe" };

export function admissionUnder(view: View, now: number): Admission {
  const { snapshot, receivedAt } = view;
  if (snapshot.state === "CLOSED") return { do: "allow" };
  const { override, retryAfterMs } = snapshot;
  // Only an operator ends this override, and the next snapshot will show it.
  const endless = override.kind === "forced-open" && !override.ends;
  const leftMs = endless ? retryAfterMs : retryAfterMs - elapsedMs(receivedAt, now);
  if (leftMs <= 0) return { do: "probe" };
  // A renewal is under way: a newer snapshot will be here soon.
  return {
    do: "reject",
    retryAfterMs: isOutdated(view, now)
      ? Math.min(leftMs, RENEWAL_MS)
      : suggestedRetryMs(snapshot, leftMs),
  };
}

const RENEWAL_MS = 1_000;

/**
 * When a rejected call should try again. A probe usually ends long before its permit, and all
 * isolates have the result within `leaseMs`.
 */
export function suggestedRetryMs({ state, leaseMs }: Snapshot, leftMs: number): number {
  return state === "HALF_OPEN" ? Math.min(leftMs, leaseMs) : leftMs;
}

/** Whether a snapshot is older than the time for which it is fresh. */
export function isOutdated({ snapshot, askedAt }: View, now: number): boolean {
  return elapsedMs(askedAt, now) >= snapshot.leaseMs;
}

/**
 * A breaker for an isolate that cannot reach the object. It continues from the last snapshot, with
 * the operator's override and the isolate's own counts.
 */
export function breakerFrom(
  view: View | null,
  counts: Counts,
  settings: BreakerSettings,
  now: number,
): Breaker {
  if (view === null) return withCounts(initialBreaker, counts, settings, now);
  const { epoch, override, state, retryAfterMs } = view.snapshot;
  if (state === "CLOSED")
    return withCounts(
      { epoch, override, phase: { state, window: emptyWindow } },
      counts,
      settings,
      now,
    );
  const durationMs = Math.max(retryAfterMs - elapsedMs(view.receivedAt, now), 0);
  return { epoch, override, phase: { state: "OPEN", openedAt: now, durationMs, reopens: 0 } };
}

function withCounts(
  breaker: Breaker,
  counts: Counts,
  settings: BreakerSettings,
  now: number,
): Breaker {
  return decide(breaker, { type: "report", epoch: breaker.epoch, ...counts }, settings, now)
    .breaker;
}

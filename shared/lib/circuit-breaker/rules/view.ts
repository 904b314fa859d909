import { elapsedMs } from "../../base/clock.ts";
import { initialBreaker, type Breaker, type Snapshot } from "./phase.ts";
import type { BreakerSettings } from "./settings.ts";
import { decide } from "./state.ts";
import { emptyWindow, type Counts } from "./window.ts";

/** What an isolate was told about a breaker, and what follows from it at a later time. Pure. */
export type View = {
  snapshot: Snapshot;
  /**
   * When the question left: the lease counts from here, so that a slow answer never makes it
   * longer.
   */
  askedAt: number;
  toldAt: number;
};

/**
 * What a call does under a view. `ask`: the open time is over, so the object decides who may try.
 */
export type Admission = { do: "allow" } | { do: "reject"; retryAfterMs: number } | { do: "probe" };

export function admissionUnder(view: View, now: number): Admission {
  const { snapshot, toldAt } = view;
  if (snapshot.state === "CLOSED") return { do: "allow" };
  const { override, retryAfterMs } = snapshot;
  // Only an operator ends this one, and renewals tell of that.
  const endless = override.kind === "forced-open" && !override.ends;
  const leftMs = endless ? retryAfterMs : retryAfterMs - elapsedMs(toldAt, now);
  if (leftMs <= 0) return { do: "probe" };
  // What holds by now is known in a moment: the renewal is under way.
  return {
    do: "reject",
    retryAfterMs: leaseIsOver(view, now)
      ? Math.min(leftMs, NEWS_MS)
      : suggestedRetryMs(snapshot, leftMs),
  };
}

const NEWS_MS = 1_000;

/** A probe mostly ends long before its permit does, and within a lease of that everybody knows. */
export function suggestedRetryMs({ state, leaseMs }: Snapshot, leftMs: number): number {
  return state === "HALF_OPEN" ? Math.min(leftMs, leaseMs) : leftMs;
}

export function leaseIsOver({ snapshot, askedAt }: View, now: number): boolean {
  return elapsedMs(askedAt, now) >= snapshot.leaseMs;
}

/**
 * A breaker for an isolate that cannot reach the object: it begins where the view left off, with
 * the operator's override and with what the isolate has counted under it.
 */
export function breakerFrom(
  view: View | null,
  counts: Counts,
  settings: BreakerSettings,
  now: number,
): Breaker {
  if (view === null) return seeded(initialBreaker, counts, settings, now);
  const { epoch, override, state, retryAfterMs } = view.snapshot;
  if (state === "CLOSED")
    return seeded(
      { epoch, override, phase: { state, window: emptyWindow } },
      counts,
      settings,
      now,
    );
  const durationMs = Math.max(retryAfterMs - elapsedMs(view.toldAt, now), 0);
  return { epoch, override, phase: { state: "OPEN", openedAt: now, durationMs, reopens: 0 } };
}

function seeded(breaker: Breaker, counts: Counts, settings: BreakerSettings, now: number): Breaker {
  return decide(breaker, { type: "report", epoch: breaker.epoch, ...counts }, settings, now)
    .breaker;
}

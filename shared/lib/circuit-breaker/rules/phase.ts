import type { Evidence } from "./evidence.ts";
import { clampRampToNow, shareAt, type Ramp } from "./ramp.ts";
import type { BreakerSettings } from "./settings.ts";
import { failuresInARow, usualOf } from "./usual.ts";
import { clampWindowToNow, emptyWindow, type Window } from "./window.ts";

/** The state of a breaker. `state.ts` has the transitions. Times in milliseconds. */
export type Breaker = {
  readonly epoch: number;
  readonly phase: Phase;
  readonly override: Override;
};

export type Phase = Closed | Open | HalfOpen;

export type Closed = {
  readonly state: "CLOSED";
  readonly window: Window;
  /** Of failures and held calls. */
  readonly evidence: Evidence | null;
  /** Of slow calls and failures. */
  readonly slowEvidence: Evidence | null;
  readonly since: number;
  /** Calls per millisecond before `since`. It counts while the window is not yet full. */
  readonly usual: number;
};

type Away = {
  /**
   * Failed probes since the breaker was last closed. It is -1 after an operator opened it, so that
   * the first failed probe opens it for `openMs`. An earlier release doubles the open time by it.
   */
  readonly reopens: number;
  /** When the breaker was last closed. */
  readonly downSince: number;
  /** Calls per millisecond before that. */
  readonly usual: number;
};

type Open = Away & {
  readonly state: "OPEN";
  readonly openedAt: number;
  readonly durationMs: number;
};

export type HalfOpen = Away & {
  readonly state: "HALF_OPEN";
  /** Null if the next call that asks gets one, unless there is a ramp. */
  readonly permit: Permit | null;
  /** After a successful probe: a share of the calls runs. */
  readonly ramp: Ramp | null;
};

export type Permit = { readonly id: string; readonly grantedAt: number; readonly lastsMs: number };

/** What an operator has decided. It holds until it is lifted or its time is over. */
export type Override =
  | { readonly kind: "none" }
  /** Rejects all calls. If it `ends`, it ends with the open time, and the next call is a probe. */
  | { readonly kind: "forced-open"; readonly ends: boolean }
  /** Allows all calls and never opens, but still counts. The phase stays CLOSED. */
  | { readonly kind: "forced-closed" }
  /** Allows all calls and counts nothing. The phase stays CLOSED. */
  | { readonly kind: "disabled" };

export type StateName = Phase["state"];

/**
 * What isolates get. It has durations and no times, since clocks differ. `leaseMs`: for how long an
 * isolate may use it without asking again. `retryAfterMs`: 0 if a call may try now.
 */
export type Snapshot = {
  state: StateName;
  epoch: number;
  leaseMs: number;
  retryAfterMs: number;
  override: Override;
  /** While HALF_OPEN lets a share of the calls run, from 0 to 1. It doubles in `doublesMs`. */
  ramp?: { share: number; doublesMs: number };
  /** While CLOSED: an isolate pauses after so many failures in a row. */
  inARow?: number;
};

export function closedAt(since: number, usual: number): Closed {
  return {
    state: "CLOSED",
    window: emptyWindow,
    evidence: null,
    slowEvidence: null,
    since,
    usual,
  };
}

export const initialBreaker: Breaker = {
  epoch: 1,
  phase: closedAt(0, 0),
  override: { kind: "none" },
};

/** While a probe or a ramp runs, isolates ask again after this. */
const NEWS_MS = 1_000;

/**
 * The snapshot of a breaker at `now`.
 *
 * @param leaseMs longer than that of the settings if the object is asked too often
 */
export function snapshot(
  breaker: Breaker,
  settings: BreakerSettings,
  now: number,
  leaseMs = settings.leaseMs,
): Snapshot {
  const clamped = clampToNow(breaker, settings, now);
  const { epoch, phase, override } = clamped;
  const waitMs = retryAfterMs(clamped, settings, now);
  const common = { state: phase.state, epoch, leaseMs, retryAfterMs: waitMs, override };
  switch (phase.state) {
    case "CLOSED":
      // An operator who holds the breaker closed wants the calls to run.
      return override.kind === "none"
        ? { ...common, inARow: failuresInARow(usualOf(phase, settings, now), settings) }
        : common;
    case "OPEN":
      return common;
    case "HALF_OPEN": {
      const newsMs = Math.min(NEWS_MS * (leaseMs / settings.leaseMs), leaseMs);
      if (phase.ramp === null) return { ...common, retryAfterMs: Math.min(waitMs, newsMs) };
      const ramp = { share: shareAt(phase.ramp, now), doublesMs: phase.ramp.doublesMs };
      return { ...common, leaseMs: newsMs, retryAfterMs: 0, ramp };
    }
  }
}

/** How long until a call may try. 0: now, or a share of the calls may. */
export function retryAfterMs(
  { phase, override }: Breaker,
  settings: BreakerSettings,
  now: number,
): number {
  if (override.kind === "forced-open" && !override.ends) return settings.leaseMs;
  switch (phase.state) {
    case "CLOSED":
      return 0;
    case "OPEN":
      return Math.max(phase.openedAt + phase.durationMs - now, 0);
    case "HALF_OPEN":
      return phase.permit === null ? 0 : permitLeftMs(phase.permit, now);
  }
}

export function permitLeftMs({ grantedAt, lastsMs }: Permit, now: number): number {
  return Math.max(grantedAt + lastsMs - now, 0);
}

/**
 * Lifts an override whose time is over, and sets times that lie in the future to `now`: the clock
 * was set back.
 */
export function clampToNow(breaker: Breaker, settings: BreakerSettings, now: number): Breaker {
  const { override } = breaker;
  const phase = clampPhaseToNow(breaker.phase, settings, now);
  const lapsed =
    override.kind === "forced-open" &&
    override.ends &&
    phase.state === "OPEN" &&
    phase.openedAt + phase.durationMs <= now;
  if (phase === breaker.phase && !lapsed) return breaker;
  return { ...breaker, phase, override: lapsed ? { kind: "none" } : override };
}

function clampPhaseToNow(phase: Phase, settings: BreakerSettings, now: number): Phase {
  switch (phase.state) {
    case "CLOSED": {
      const window = clampWindowToNow(phase.window, settings.windowMs, now);
      const evidence = clampEvidenceToNow(phase.evidence, now);
      const slowEvidence = clampEvidenceToNow(phase.slowEvidence, now);
      const isSame =
        window === phase.window &&
        evidence === phase.evidence &&
        slowEvidence === phase.slowEvidence &&
        phase.since <= now;
      if (isSame) return phase;
      return { ...phase, window, evidence, slowEvidence, since: Math.min(phase.since, now) };
    }
    case "OPEN":
      return phase.openedAt > now || phase.downSince > now
        ? {
            ...phase,
            openedAt: Math.min(phase.openedAt, now),
            downSince: Math.min(phase.downSince, now),
          }
        : phase;
    case "HALF_OPEN": {
      const { permit, ramp, downSince } = phase;
      const clampedPermit =
        permit !== null && permit.grantedAt > now ? { ...permit, grantedAt: now } : permit;
      const clampedRamp = ramp === null ? null : clampRampToNow(ramp, now);
      if (clampedPermit === permit && clampedRamp === ramp && downSince <= now) return phase;
      return {
        ...phase,
        permit: clampedPermit,
        ramp: clampedRamp,
        downSince: Math.min(downSince, now),
      };
    }
  }
}

function clampEvidenceToNow(evidence: Evidence | null, now: number): Evidence | null {
  return evidence !== null && evidence.since > now ? { ...evidence, since: now } : evidence;
}

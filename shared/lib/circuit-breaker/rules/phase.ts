import type { BreakerSettings } from "./settings.ts";
import { clampWindowToNow, emptyWindow, type Window } from "./window.ts";

/** The state of a breaker. `state.ts` has the transitions. Times in milliseconds. */
export type Breaker = {
  readonly epoch: number;
  readonly phase: Phase;
  readonly override: Override;
};

export type Phase =
  | { readonly state: "CLOSED"; readonly window: Window }
  /**
   * `reopens` counts failed probes since the breaker was last closed. It is -1 after an operator
   * opened it, so that the first failed probe does not double the open time.
   */
  | {
      readonly state: "OPEN";
      readonly openedAt: number;
      readonly durationMs: number;
      readonly reopens: number;
    }
  /** `permit`: null if the next call that asks gets one. */
  | { readonly state: "HALF_OPEN"; readonly reopens: number; readonly permit: Permit | null };

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
};

export const initialBreaker: Breaker = {
  epoch: 1,
  phase: { state: "CLOSED", window: emptyWindow },
  override: { kind: "none" },
};

/** The snapshot of a breaker at `now`. */
export function snapshot(breaker: Breaker, settings: BreakerSettings, now: number): Snapshot {
  const clamped = clampToNow(breaker, settings, now);
  const { epoch, phase, override } = clamped;
  return {
    state: phase.state,
    epoch,
    leaseMs: settings.leaseMs,
    retryAfterMs: retryAfterMs(clamped, settings, now),
    override,
  };
}

/** How long until a call may try. 0: now. */
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
      return window === phase.window ? phase : { ...phase, window };
    }
    case "OPEN":
      return phase.openedAt > now ? { ...phase, openedAt: now } : phase;
    case "HALF_OPEN":
      return phase.permit !== null && phase.permit.grantedAt > now
        ? { ...phase, permit: { ...phase.permit, grantedAt: now } }
        : phase;
  }
}

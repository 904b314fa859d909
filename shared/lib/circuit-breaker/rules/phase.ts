import type { BreakerSettings } from "./settings.ts";
import { clampWindowToNow, emptyWindow, type Window } from "./window.ts";

/** What a breaker is, and what it tells callers. Pure; `state.ts` decides what it becomes. */
export type Breaker = {
  readonly epoch: number;
  readonly phase: Phase;
  readonly override: Override;
};

export type Phase =
  | { readonly state: "CLOSED"; readonly window: Window }
  /**
   * `reopens` counts failed probes since it was last closed; -1 when an operator opened it, so that
   * the first does not make it longer.
   */
  | {
      readonly state: "OPEN";
      readonly openedAt: number;
      readonly durationMs: number;
      readonly reopens: number;
    }
  /** Without a permit the next waiting call gets one. */
  | { readonly state: "HALF_OPEN"; readonly reopens: number; readonly permit: Permit | null };

export type Permit = { readonly id: string; readonly grantedAt: number; readonly lastsMs: number };

/** What an operator has decided. It stands until it is lifted, or until its time is over. */
export type Override =
  | { readonly kind: "none" }
  /**
   * Rejects everything. One that `ends` does so with the open time: the first call afterwards is a
   * probe.
   */
  | { readonly kind: "forced-open"; readonly ends: boolean }
  /**
   * Lets everything through and never opens, but goes on counting. The phase is CLOSED as long as
   * this stands.
   */
  | { readonly kind: "forced-closed" }
  /** Lets everything through and counts nothing. The phase is CLOSED as long as this stands. */
  | { readonly kind: "disabled" };

export type StateName = Phase["state"];

/**
 * What callers are told: relative durations only, since clocks differ. `retryAfterMs` is 0 where a
 * call may try now.
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

/** What a caller needs to know for the next lease. */
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

/** How long until a call may try; 0 is now. */
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
 * Lifts an override whose time is over, and takes times that lie in the future for now: the clock
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

import { addToWindow, countWindow, emptyWindow, type Counts, type Window } from "./window.ts";

/**
 * The circuit breaker of one dependency, as pure decisions. The Durable Object keeps the state for the whole fleet; an isolate that
 * cannot reach the object runs the same functions on a state of its own.
 *
 *     CLOSED -> OPEN        failures reach the threshold
 *     OPEN -> HALF_OPEN     the open time is over and a waiting call takes the permit
 *     HALF_OPEN -> CLOSED   the permitted call succeeds
 *     HALF_OPEN -> OPEN     it fails: open for twice as long
 *
 * Each transition raises the epoch. An outcome counts only under the epoch in which its call was admitted, and a probe's only with
 * its live permit, so that late, repeated and forged outcomes change nothing.
 */
export type BreakerSettings = {
  /** This many failures in the window open it... */
  failures: number;
  /** ...if they are at least this share of the calls reported in the window. */
  failureRatio: number;
  windowMs: number;
  openMs: number;
  /** Each re-open doubles the open time up to this. */
  maxOpenMs: number;
  leaseMs: number;
  permitMs: number;
};

type Permit = { readonly id: string; readonly grantedAt: number };

type Phase =
  | { readonly state: "CLOSED"; readonly window: Window }
  /** `reopens` counts failed probes since it was last closed. */
  | { readonly state: "OPEN"; readonly openedAt: number; readonly durationMs: number; readonly reopens: number }
  /** Without a permit the next waiting call gets one. */
  | { readonly state: "HALF_OPEN"; readonly reopens: number; readonly permit: Permit | null };

/** What an operator has decided. It stands until it is lifted, or until its time is over. */
type Override =
  | { readonly kind: "none" }
  /** Rejects everything. One that `ends` does so with the open time: the first call afterwards is a probe. */
  | { readonly kind: "forced-open"; readonly ends: boolean }
  /** Lets everything through and never opens, but goes on counting. */
  | { readonly kind: "forced-closed" }
  /** Lets everything through and counts nothing. */
  | { readonly kind: "disabled" };

export type Breaker = { readonly epoch: number; readonly phase: Phase; readonly override: Override };

type StateName = Phase["state"];

/** Who did it and why; for transitions of the breaker itself the actor is `breaker`. */
type Transition = { from: StateName; to: StateName; epoch: number; at: number; cause: Cause; actor: string; reason?: string };

type Cause = "threshold" | "probe-permitted" | "probe-succeeded" | "probe-failed" | Command["do"];

export type Event =
  /** Outcomes of calls that were admitted while CLOSED. */
  | ({ type: "report"; epoch: number } & Counts)
  /** Asks for the current state. Only a call that waits for the answer may get the permit; `permitId` is random. */
  | { type: "acquire"; permitId: string; waiting: boolean }
  /** How the permitted call ended. `ignored`: aborted, or not the dependency's fault. */
  | { type: "probe-ended"; permitId: string; outcome: "success" | "failure" | "ignored" }
  | { type: "command"; command: Command; actor: string; reason: string };

/** `forMs`: null for as long as nobody lifts it. */
export type Command = { do: "reset" } | { do: "open"; forMs: number | null } | { do: "close" } | { do: "disable" } | { do: "enable" };

/** `granted` is there when this event took the permit. `persist` is false where losing the new state loses nothing but successes. */
export type Decision = {
  breaker: Breaker;
  transitions: Transition[];
  granted: { id: string; epoch: number; expiresInMs: number } | null;
  persist: boolean;
};

export const initialBreaker: Breaker = { epoch: 1, phase: { state: "CLOSED", window: emptyWindow }, override: { kind: "none" } };

/** What callers are told: relative durations only, since clocks differ. */
export type Snapshot = { state: StateName; epoch: number; leaseMs: number; retryAfterMs: number; override: Override["kind"] };

/**
 * Decides what an event makes of the breaker.
 *
 * @param now milliseconds since the epoch; may go back, in which case times in the future are taken for now
 */
export function decide(breaker: Breaker, event: Event, settings: BreakerSettings, now: number): Decision {
  const current = anchored(breaker, now);
  const decision = decideAnchored(current, event, settings, now);
  // A corrected time that is forgotten would be corrected for ever.
  return current === breaker ? decision : { ...decision, persist: true };
}

function decideAnchored(breaker: Breaker, event: Event, settings: BreakerSettings, now: number): Decision {
  switch (event.type) {
    case "report":
      return report(breaker, event, settings, now);
    case "acquire":
      return acquire(breaker, event, settings, now);
    case "probe-ended":
      return probeEnded(breaker, event, settings, now);
    case "command":
      return command(breaker, event, now);
  }
}

/** What a caller needs to know for the next lease. */
export function snapshot(breaker: Breaker, settings: BreakerSettings, now: number): Snapshot {
  const { epoch, phase, override } = anchored(breaker, now);
  const state = effectiveState(phase, override);
  return { state, epoch, leaseMs: settings.leaseMs, retryAfterMs: retryAfterMs(phase, override, settings, now), override: override.kind };
}

function report(breaker: Breaker, event: Extract<Event, { type: "report" }>, settings: BreakerSettings, now: number): Decision {
  const { epoch, phase, override } = breaker;
  if (event.epoch !== epoch || phase.state !== "CLOSED" || override.kind === "disabled") return unchanged(breaker);
  const window = addToWindow(phase.window, event, settings.windowMs, now);
  const counted = { ...breaker, phase: { ...phase, window } };
  const { failures, successes } = countWindow(window, settings.windowMs, now);
  const tripped = failures >= settings.failures && failures >= settings.failureRatio * (failures + successes);
  if (!tripped || override.kind === "forced-closed") {
    return { breaker: counted, transitions: [], granted: null, persist: event.failures > 0 };
  }
  return moved(counted, { state: "OPEN", openedAt: now, durationMs: settings.openMs, reopens: 0 }, "threshold", now);
}

function acquire(breaker: Breaker, event: Extract<Event, { type: "acquire" }>, settings: BreakerSettings, now: number): Decision {
  const { phase, override } = breaker;
  if (!event.waiting || override.kind !== "none" || phase.state === "CLOSED" || retryAfterMs(phase, override, settings, now) > 0) {
    return unchanged(breaker);
  }
  const halfOpen: Phase = { state: "HALF_OPEN", reopens: phase.reopens, permit: { id: event.permitId, grantedAt: now } };
  const decision: Decision =
    phase.state === "OPEN"
      ? moved(breaker, halfOpen, "probe-permitted", now)
      : { breaker: { ...breaker, phase: halfOpen }, transitions: [], granted: null, persist: true };
  return { ...decision, granted: { id: event.permitId, epoch: decision.breaker.epoch, expiresInMs: settings.permitMs } };
}

function probeEnded(breaker: Breaker, event: Extract<Event, { type: "probe-ended" }>, settings: BreakerSettings, now: number): Decision {
  const { phase } = breaker;
  if (phase.state !== "HALF_OPEN" || phase.permit?.id !== event.permitId || permitLeftMs(phase.permit, settings, now) === 0) {
    return unchanged(breaker);
  }
  switch (event.outcome) {
    case "success":
      return moved(breaker, { state: "CLOSED", window: emptyWindow }, "probe-succeeded", now);
    case "failure": {
      const reopens = phase.reopens + 1;
      const durationMs = Math.min(settings.openMs * 2 ** reopens, settings.maxOpenMs);
      return moved(breaker, { state: "OPEN", openedAt: now, durationMs, reopens }, "probe-failed", now);
    }
    case "ignored":
      return { breaker: { ...breaker, phase: { ...phase, permit: null } }, transitions: [], granted: null, persist: true };
  }
}

function command(breaker: Breaker, { command: asked, actor, reason }: Extract<Event, { type: "command" }>, now: number): Decision {
  const closed: Phase = { state: "CLOSED", window: emptyWindow };
  const by = { actor, reason };
  switch (asked.do) {
    case "reset":
    case "enable":
      return moved({ ...breaker, override: { kind: "none" } }, closed, asked.do, now, by);
    case "close":
      return moved({ ...breaker, override: { kind: "forced-closed" } }, closed, asked.do, now, by);
    case "disable":
      return moved({ ...breaker, override: { kind: "disabled" } }, closed, asked.do, now, by);
    case "open": {
      const override: Override = { kind: "forced-open", ends: asked.forMs !== null };
      // No probe has failed: should the first one fail, it is open for as long as after the threshold.
      return moved(
        { ...breaker, override },
        { state: "OPEN", openedAt: now, durationMs: asked.forMs ?? 0, reopens: -1 },
        asked.do,
        now,
        by,
      );
    }
  }
}

function moved(
  breaker: Breaker,
  phase: Phase,
  cause: Cause,
  now: number,
  by: { actor: string; reason?: string } = { actor: "breaker" },
): Decision {
  const epoch = breaker.epoch + 1;
  const transition: Transition = { from: breaker.phase.state, to: phase.state, epoch, at: now, cause, ...by };
  return { breaker: { ...breaker, epoch, phase }, transitions: [transition], granted: null, persist: true };
}

function unchanged(breaker: Breaker): Decision {
  return { breaker, transitions: [], granted: null, persist: false };
}

function effectiveState(phase: Phase, override: Override): StateName {
  return override.kind === "disabled" || override.kind === "forced-closed" ? "CLOSED" : phase.state;
}

function retryAfterMs(phase: Phase, override: Override, settings: BreakerSettings, now: number): number {
  if (override.kind === "forced-open" && !override.ends) return settings.leaseMs;
  if (override.kind === "disabled" || override.kind === "forced-closed") return 0;
  switch (phase.state) {
    case "CLOSED":
      return 0;
    case "OPEN":
      return Math.max(phase.openedAt + phase.durationMs - now, 0);
    case "HALF_OPEN":
      return phase.permit === null ? 0 : permitLeftMs(phase.permit, settings, now);
  }
}

function permitLeftMs(permit: Permit, settings: BreakerSettings, now: number): number {
  return Math.max(permit.grantedAt + settings.permitMs - now, 0);
}

/** Lifts an override whose time is over, and takes times that lie in the future for now: the clock was set back. */
function anchored(breaker: Breaker, now: number): Breaker {
  const { override } = breaker;
  const phase = anchoredPhase(breaker.phase, now);
  const lapsed = override.kind === "forced-open" && override.ends && phase.state === "OPEN" && phase.openedAt + phase.durationMs <= now;
  if (phase === breaker.phase && !lapsed) return breaker;
  return { ...breaker, phase, override: lapsed ? { kind: "none" } : override };
}

function anchoredPhase(phase: Phase, now: number): Phase {
  if (phase.state === "OPEN" && phase.openedAt > now) return { ...phase, openedAt: now };
  if (phase.state === "HALF_OPEN" && phase.permit !== null && phase.permit.grantedAt > now) {
    return { ...phase, permit: { ...phase.permit, grantedAt: now } };
  }
  return phase;
}

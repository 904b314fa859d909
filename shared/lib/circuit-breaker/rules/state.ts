import {
  clampToNow,
  permitLeftMs,
  retryAfterMs,
  type Breaker,
  type Override,
  type Phase,
  type StateName,
} from "./phase.ts";
import type { BreakerSettings } from "./settings.ts";
import { addToWindow, countWindow, emptyWindow, type Counts } from "./window.ts";

/**
 * The circuit breaker of one dependency, as pure decisions. The Durable Object keeps the state for
 * the whole fleet. An isolate that cannot reach the object uses the same functions on a state of
 * its own.
 *
 *     CLOSED -> OPEN        failures reach the threshold
 *     OPEN -> HALF_OPEN     the open time is over and a waiting call takes the permit
 *     HALF_OPEN -> CLOSED   the permitted call succeeds
 *     HALF_OPEN -> OPEN     the permitted call fails: open for twice as long
 *
 * Each transition raises the epoch. The outcome of a call counts only under the epoch that admitted
 * the call. The outcome of a probe counts only with its current permit. So late, repeated and
 * forged outcomes change nothing.
 */
export type Event =
  /** Reads the state. Corrects only times that lie in the future and expired overrides. */
  | { type: "look" }
  /**
   * Outcomes of calls that were admitted while CLOSED. `calls` is negative if cold calls did not
   * count after all.
   */
  | ({ type: "report"; epoch: number } & Counts)
  /**
   * A call asks for the permit. `id` is random. A `cold` call already runs, and counts as a call
   * now: the isolates of a slow service serve one call each and never report a success.
   */
  | { type: "acquire"; id: string; lastsMs: number; cold: boolean }
  /** The permitted call ended. `ignored`: aborted, or not the dependency's fault. */
  | { type: "probe-ended"; permitId: string; outcome: ProbeOutcome }
  | { type: "command"; command: Command; actor: string; reason: string };

export type ProbeOutcome = "success" | "failure" | "ignored";

/** What an operator does to a breaker. `forMs`: null until another command lifts it. */
export type Command =
  | { do: "reset" }
  | { do: "open"; forMs: number | null }
  | { do: "close" }
  | { do: "disable" }
  | { do: "enable" };

type Cause = "threshold" | "probe-permitted" | "probe-succeeded" | "probe-failed" | Command["do"];

/**
 * A change of the state, with who made it and why. The actor of the breaker's own transitions is
 * `breaker`; the reason of a threshold is its counts.
 */
export type Transition = {
  from: StateName;
  to: StateName;
  epoch: number;
  at: number;
  cause: Cause;
  actor: string;
  reason?: string;
};

/**
 * `granted`: the event took the permit. `persist`: the new state must be written; if it is false,
 * losing the state loses only successes.
 */
export type Decision = {
  breaker: Breaker;
  transition: Transition | null;
  granted: boolean;
  persist: boolean;
};

/**
 * Decides the next state of a breaker after an event.
 *
 * @param now milliseconds since the epoch. It may go back; then times in the future become `now`
 */
export function decide(
  breaker: Breaker,
  event: Event,
  settings: BreakerSettings,
  now: number,
): Decision {
  const current = clampToNow(breaker, settings, now);
  const decision = decideClamped(current, event, settings, now);
  // A corrected time is written, or it would have to be corrected at each event.
  return current === breaker ? decision : { ...decision, persist: true };
}

function decideClamped(
  breaker: Breaker,
  event: Event,
  settings: BreakerSettings,
  now: number,
): Decision {
  switch (event.type) {
    case "look":
      return unchanged(breaker);
    case "report":
      return report(breaker, event, settings, now);
    case "acquire":
      return acquire(breaker, event, settings, now);
    case "probe-ended":
      return probeEnded(breaker, event, settings, now);
    case "command":
      return applyCommand(breaker, event, now);
  }
}

function report(
  breaker: Breaker,
  event: { epoch: number } & Counts,
  settings: BreakerSettings,
  now: number,
): Decision {
  const { epoch, phase, override } = breaker;
  if (event.epoch !== epoch || phase.state !== "CLOSED" || override.kind === "disabled")
    return unchanged(breaker);
  const { failures: reported, calls: began } = event;
  const window = addToWindow(
    phase.window,
    { failures: reported, calls: began },
    settings.windowMs,
    now,
  );
  const counted = { ...breaker, phase: { ...phase, window } };
  const { failures, calls } = countWindow(window, settings.windowMs, now);
  const tripped =
    reported > 0 && failures >= settings.failures && failures >= settings.failureRatio * calls;
  if (!tripped || override.kind === "forced-closed")
    return { breaker: counted, transition: null, granted: false, persist: reported > 0 };
  // An eviction of the object drops calls but no failures, so calls may be the smaller number.
  const reason = `${failures} of ${Math.max(calls, failures)} calls failed`;
  const open: Phase = { state: "OPEN", openedAt: now, durationMs: settings.openMs, reopens: 0 };
  return moved(counted, open, { cause: "threshold", at: now, reason });
}

function acquire(
  breaker: Breaker,
  event: Extract<Event, { type: "acquire" }>,
  settings: BreakerSettings,
  now: number,
): Decision {
  const { phase, epoch } = breaker;
  if (phase.state === "CLOSED") {
    return event.cold
      ? report(breaker, { epoch, failures: 0, calls: 1 }, settings, now)
      : unchanged(breaker);
  }
  if (retryAfterMs(breaker, settings, now) > 0) return unchanged(breaker);
  const permit = { id: event.id, grantedAt: now, lastsMs: event.lastsMs };
  const halfOpen: Phase = { state: "HALF_OPEN", reopens: phase.reopens, permit };
  const decision =
    phase.state === "OPEN"
      ? moved(breaker, halfOpen, { cause: "probe-permitted", at: now })
      : changed({ ...breaker, phase: halfOpen });
  return { ...decision, granted: true };
}

function probeEnded(
  breaker: Breaker,
  event: Extract<Event, { type: "probe-ended" }>,
  settings: BreakerSettings,
  now: number,
): Decision {
  const { phase } = breaker;
  if (phase.state !== "HALF_OPEN" || phase.permit?.id !== event.permitId) return unchanged(breaker);
  // The permit has expired. It is removed, or a clock that is set back would revive it.
  if (permitLeftMs(phase.permit, now) === 0)
    return changed({ ...breaker, phase: { ...phase, permit: null } });
  switch (event.outcome) {
    case "success":
      return moved(
        breaker,
        { state: "CLOSED", window: emptyWindow },
        { cause: "probe-succeeded", at: now },
      );
    case "failure": {
      const reopens = phase.reopens + 1;
      const durationMs = Math.min(settings.openMs * 2 ** reopens, settings.maxOpenMs);
      return moved(
        breaker,
        { state: "OPEN", openedAt: now, durationMs, reopens },
        { cause: "probe-failed", at: now },
      );
    }
    case "ignored":
      return changed({ ...breaker, phase: { ...phase, permit: null } });
  }
}

function applyCommand(
  breaker: Breaker,
  { command, actor, reason }: Extract<Event, { type: "command" }>,
  now: number,
): Decision {
  const move = (override: Override, phase: Phase): Decision =>
    moved({ ...breaker, override }, phase, { cause: command.do, at: now, actor, reason });
  const closed: Phase = { state: "CLOSED", window: emptyWindow };
  switch (command.do) {
    case "reset":
    case "enable":
      return move({ kind: "none" }, closed);
    case "close":
      return move({ kind: "forced-closed" }, closed);
    case "disable":
      return move({ kind: "disabled" }, closed);
    case "open": {
      // No probe has failed yet. After the first failed one, the breaker is open for `openMs`.
      const open: Phase = {
        state: "OPEN",
        openedAt: now,
        durationMs: command.forMs ?? 0,
        reopens: -1,
      };
      return move({ kind: "forced-open", ends: command.forMs !== null }, open);
    }
  }
}

function moved(
  breaker: Breaker,
  phase: Phase,
  why: { cause: Cause; at: number; actor?: string; reason?: string },
): Decision {
  const epoch = breaker.epoch + 1;
  const { cause, at, actor = "breaker", reason } = why;
  const transition: Transition = {
    from: breaker.phase.state,
    to: phase.state,
    epoch,
    at,
    cause,
    actor,
    ...(reason !== undefined && { reason }),
  };
  return { ...changed({ ...breaker, epoch, phase }), transition };
}

function changed(breaker: Breaker): Decision {
  return { breaker, transition: null, granted: false, persist: true };
}

function unchanged(breaker: Breaker): Decision {
  return { breaker, transition: null, granted: false, persist: false };
}

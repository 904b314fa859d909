import { firstOpenMs } from "./open-time.ts";
import {
  clampToNow,
  closedAt,
  permitLeftMs,
  retryAfterMs,
  type Breaker,
  type Override,
  type Phase,
} from "./phase.ts";
import { countInRamp } from "./ramp.ts";
import { endRampIfOver, probeSucceeded, reopened } from "./recovery.ts";
import { countWhileClosed, type Report } from "./report.ts";
import type { BreakerSettings } from "./settings.ts";
import { changed, moved, unchanged, type Command, type Decision } from "./transition.ts";
import { usualOf } from "./usual.ts";

/**
 * The circuit breaker of one dependency, as pure decisions. The Durable Object keeps the state for
 * the whole fleet. An isolate that cannot reach the object uses the same functions on a state of
 * its own.
 *
 *     CLOSED -> OPEN          failures or slow calls reach the threshold
 *     OPEN -> HALF_OPEN       the open time is over and a waiting call takes the permit
 *     HALF_OPEN -> HALF_OPEN  the permitted call succeeds: a share of the calls runs, the ramp
 *     HALF_OPEN -> CLOSED     all calls have run for a second; or, in a slow fleet, the permitted
 *                             call succeeds
 *     HALF_OPEN -> OPEN       the permitted call fails, or nearly all calls of the ramp do
 *
 * Each transition raises the epoch. The outcome of a call counts only under the epoch that admitted
 * the call. The outcome of a probe counts only with its current permit. So late, repeated and
 * forged outcomes change nothing.
 */
export type Event =
  /** Reads the state. It ends a ramp, corrects times in the future, and lifts expired overrides. */
  | { type: "look" }
  /** Outcomes of calls that were admitted while CLOSED or in a ramp. */
  | ({ type: "report"; epoch: number } & Report)
  /**
   * A call asks for the permit. `id` is random. A `cold` call already runs, and counts as a call
   * now: the isolates of a slow service serve one call each and never report a success.
   */
  | { type: "acquire"; id: string; lastsMs: number; cold: boolean }
  /** The permitted call ended. `ignored`: aborted, or not the dependency's fault. */
  | {
      type: "probe-ended";
      permitId: string;
      outcome: ProbeOutcome;
      lastError?: string | undefined;
      /** What the dependency asked callers to wait. */
      retryAfterMs?: number | undefined;
    }
  | { type: "command"; command: Command; actor: string; reason: string };

export type ProbeOutcome = "success" | "failure" | "ignored";

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
      return endRampIfOver(breaker, settings, now);
    case "report":
      return report(breaker, event, settings, now);
    case "acquire":
      return acquire(breaker, event, settings, now);
    case "probe-ended":
      return probeEnded(breaker, event, settings, now);
    case "command":
      return applyCommand(breaker, event, settings, now);
  }
}

function report(
  breaker: Breaker,
  event: { epoch: number } & Report,
  settings: BreakerSettings,
  now: number,
): Decision {
  const { epoch, phase, override } = breaker;
  if (event.epoch !== epoch || override.kind === "disabled") return unchanged(breaker);
  const bad = event.failures + (event.slow ?? 0);
  const { lastError, retryAfterMs: askedMs = 0 } = event;
  if (phase.state === "HALF_OPEN" && phase.ramp !== null) {
    const calls = Math.max(event.calls, bad);
    const counts = { failures: bad, calls, usual: phase.usual };
    const ramp = countInRamp(phase.ramp, counts, settings, now);
    if (ramp === "failed") {
      const why = { cause: "ramp-failed", reason: lastError, askedMs, phase } as const;
      return reopened(breaker, why, settings, now);
    }
    return { ...changed({ ...breaker, phase: { ...phase, ramp } }), persist: bad > 0 };
  }
  if (phase.state !== "CLOSED") return unchanged(breaker);
  const { phase: closed, tripped } = countWhileClosed(phase, event, settings, now);
  if (override.kind === "forced-closed") {
    const counted = { ...closed, evidence: null, slowEvidence: null };
    return { ...changed({ ...breaker, phase: counted }), persist: bad > 0 };
  }
  const counted = { ...breaker, phase: closed };
  if (tripped === null) return { ...changed(counted), persist: bad > 0 };
  const { since: downSince, usual } = closed.evidence ??
    closed.slowEvidence ?? { since: now, usual: usualOf(phase, settings, now).callsPerMs };
  const durationMs = firstOpenMs(settings, askedMs);
  const open: Phase = { state: "OPEN", openedAt: now, durationMs, reopens: 0, downSince, usual };
  const reason = lastError === undefined ? tripped : `${tripped}: ${lastError}`;
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
  if (phase.state === "HALF_OPEN" && phase.ramp !== null) return unchanged(breaker);
  if (retryAfterMs(breaker, settings, now) > 0) return unchanged(breaker);
  const permit = { id: event.id, grantedAt: now, lastsMs: event.lastsMs };
  const { reopens, downSince, usual } = phase;
  const halfOpen: Phase = { state: "HALF_OPEN", reopens, permit, ramp: null, downSince, usual };
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
      return probeSucceeded(breaker, phase, settings, now);
    case "failure": {
      const { lastError: reason, retryAfterMs: askedMs } = event;
      return reopened(breaker, { cause: "probe-failed", reason, askedMs, phase }, settings, now);
    }
    case "ignored":
      return changed({ ...breaker, phase: { ...phase, permit: null } });
  }
}

function applyCommand(
  breaker: Breaker,
  { command, actor, reason }: Extract<Event, { type: "command" }>,
  settings: BreakerSettings,
  now: number,
): Decision {
  const move = (override: Override, phase: Phase): Decision =>
    moved({ ...breaker, override }, phase, { cause: command.do, at: now, actor, reason });
  const { phase: current } = breaker;
  const usual =
    current.state === "CLOSED" ? usualOf(current, settings, now).callsPerMs : current.usual;
  const closed = closedAt(now, usual);
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
        downSince: current.state === "CLOSED" ? now : current.downSince,
        usual,
      };
      return move({ kind: "forced-open", ends: command.forMs !== null }, open);
    }
  }
}

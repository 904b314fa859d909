import type { Breaker, Phase, StateName } from "./phase.ts";

/** What an operator does to a breaker. `forMs`: null until another command lifts it. */
export type Command =
  | { do: "reset" }
  | { do: "open"; forMs: number | null }
  | { do: "close" }
  | { do: "disable" }
  | { do: "enable" };

export type Cause =
  | "threshold"
  | "probe-permitted"
  | "probe-succeeded"
  | "probe-failed"
  | "ramp-failed"
  | "recovered"
  | Command["do"];

/**
 * A change of the state, with who made it and why. The actor of the breaker's own transitions is
 * `breaker`; the reason of a threshold is its counts and the last error, and that of a failed probe
 * is its error.
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

/** The breaker in another phase, under a new epoch. */
export function moved(
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

/** The breaker with other counts or times. */
export function changed(breaker: Breaker): Decision {
  return { breaker, transition: null, granted: false, persist: true };
}

/** An event that changes nothing. */
export function unchanged(breaker: Breaker): Decision {
  return { breaker, transition: null, granted: false, persist: false };
}

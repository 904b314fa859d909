/**
 * What the dependency does with a call. `atMs` counts from the beginning of the outage and is
 * negative before it.
 */
type Answer = "answers" | "fails" | "hangs";
type Call = { isolate: number; atMs: number; random: number };
export type Dependency = (call: Call) => Answer;

/** How a dependency fails. `share`: of the isolates or of the calls, from 0 to 1. */
export type Scenario =
  | { kind: "down" | "hangs" }
  | { kind: "unreachable-for"; share: number }
  | { kind: "some-hang"; share: number }
  | { kind: "errors"; share: number }
  /** Down and up in turns, for `everyMs` each. */
  | { kind: "flaps"; everyMs: number }
  /**
   * Down. After the outage it takes `share` of the load, and more each second, until it takes all
   * after a minute.
   */
  | { kind: "comes-back-slowly"; share: number };

const RECOVERY_MS = 60_000;

/** A dependency with an outage of `forMs`. */
export function dependencyIn(
  scenario: Scenario,
  forMs: number,
  isolates: number,
  callsPerSecond: number,
): Dependency {
  let second = Number.NEGATIVE_INFINITY;
  let takenInIt = 0;
  return ({ isolate, atMs, random }) => {
    const over = atMs >= forMs;
    if (atMs < 0 || (over && scenario.kind !== "comes-back-slowly")) return "answers";
    switch (scenario.kind) {
      case "down":
        return "fails";
      case "hangs":
        return "hangs";
      case "unreachable-for":
        return isolate < scenario.share * isolates ? "fails" : "answers";
      case "some-hang":
        return random < scenario.share ? "hangs" : "answers";
      case "flaps":
        return isUpBetween(scenario.everyMs, atMs) ? "answers" : "fails";
      case "errors":
        return random < scenario.share ? "fails" : "answers";
      case "comes-back-slowly": {
        if (!over || atMs >= forMs + RECOVERY_MS) return over ? "answers" : "fails";
        const now = Math.floor(atMs / 1_000);
        if (now !== second) {
          second = now;
          takenInIt = 0;
        }
        const share = scenario.share + ((1 - scenario.share) * (atMs - forMs)) / RECOVERY_MS;
        return (takenInIt += 1) <= share * callsPerSecond ? "answers" : "fails";
      }
    }
  };
}

/** Whether a dependency that flaps is up. It is down first. */
export function isUpBetween(everyMs: number, atMs: number): boolean {
  return Math.floor(atMs / everyMs) % 2 === 1;
}

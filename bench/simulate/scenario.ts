/**
 * What the dependency does with a call. `atMs` counts from when the trouble begins, and is below
 * zero before.
 */
type Answer = "answers" | "fails" | "hangs";
type Call = { isolate: number; atMs: number; random: number };
export type Dependency = (call: Call) => Answer;

/** `share`: of isolates or of calls, from 0 to 1. */
export type Scenario =
  | { kind: "down" | "hangs" }
  | { kind: "unreachable-for"; share: number }
  | { kind: "errors"; share: number }
  /**
   * Down; afterwards it takes `share` of the load and each second some more, until after a minute
   * it takes all.
   */
  | { kind: "comes-back-slowly"; share: number };

const RECOVERY_MS = 60_000;

/** A dependency that is in trouble for `forMs`. */
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
      case "errors":
        return random < scenario.share ? "fails" : "answers";
      case "comes-back-slowly": {
        if (!over || atMs >= forMs + RECOVERY_MS) return over ? "answers" : "fails";
        if (Math.floor(atMs / 1_000) !== second)
          [second, takenInIt] = [Math.floor(atMs / 1_000), 0];
        const share = scenario.share + ((1 - scenario.share) * (atMs - forMs)) / RECOVERY_MS;
        return (takenInIt += 1) <= share * callsPerSecond ? "answers" : "fails";
      }
    }
  };
}

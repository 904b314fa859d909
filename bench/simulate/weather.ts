/**
 * What the dependency does with a call. `atMs` counts from when the trouble begins, and is below
 * zero before.
 */
type Answer = "answers" | "fails" | "hangs";
type Call = { isolate: number; atMs: number; random: number };
export type Dependency = (call: Call) => Answer;

/** `share`: of isolates or of calls, from 0 to 1. */
export type Weather =
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
  weather: Weather,
  forMs: number,
  isolates: number,
  callsPerSecond: number,
): Dependency {
  let second = Number.NEGATIVE_INFINITY;
  let takenInIt = 0;
  return ({ isolate, atMs, random }) => {
    const over = atMs >= forMs;
    if (atMs < 0 || (over && weather.kind !== "comes-back-slowly")) return "answers";
    switch (weather.kind) {
      case "down":
        return "fails";
      case "hangs":
        return "hangs";
      case "unreachable-for":
        return isolate < weather.share * isolates ? "fails" : "answers";
      case "errors":
        return random < weather.share ? "fails" : "answers";
      case "comes-back-slowly": {
        if (!over || atMs >= forMs + RECOVERY_MS) return over ? "answers" : "fails";
        if (Math.floor(atMs / 1_000) !== second)
          [second, takenInIt] = [Math.floor(atMs / 1_000), 0];
        const share = weather.share + ((1 - weather.share) * (atMs - forMs)) / RECOVERY_MS;
        return (takenInIt += 1) <= share * callsPerSecond ? "answers" : "fails";
      }
    }
  };
}

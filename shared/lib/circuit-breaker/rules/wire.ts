import type { Snapshot } from "./phase.ts";

/**
 * What a snapshot looks like on its way to isolates. An isolate of an earlier release has no ramp:
 * it gets OPEN for some seconds while less than half of the calls run, and CLOSED from there. It
 * ignores `ramp`, from which an isolate of this release restores the snapshot.
 */

const HALF = 0.5;
const SHORTEST_MS = 2_000;
const SPREAD_MS = 3_000;

/** @param now spreads the isolates of an earlier release over three seconds */
export function toWire(snapshot: Snapshot, now: number): Snapshot {
  if (snapshot.ramp === undefined) return snapshot;
  return snapshot.ramp.share < HALF
    ? { ...snapshot, state: "OPEN", retryAfterMs: SHORTEST_MS + (Math.abs(now) % SPREAD_MS) }
    : { ...snapshot, state: "CLOSED" };
}

export function fromWire(snapshot: Snapshot): Snapshot {
  return snapshot.ramp === undefined
    ? snapshot
    : { ...snapshot, state: "HALF_OPEN", retryAfterMs: 0 };
}

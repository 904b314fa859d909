import type { ProbeOutcome } from "../rules/state.ts";
import type { Ended } from "./executor.ts";

/** A dependency whose probe is slow has not recovered. */
export function probeOutcome(outcome: Ended["outcome"]): ProbeOutcome {
  return outcome === "slow" ? "failure" : outcome;
}

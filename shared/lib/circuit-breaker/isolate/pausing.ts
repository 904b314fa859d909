import { elapsedMs, type Clock } from "../../base/clock.ts";
import { REPORT_DELAY_MS } from "../rules/evidence.ts";
import type { Snapshot } from "../rules/phase.ts";
import type { BreakerSettings } from "../rules/settings.ts";
import type { Outcomes, Tally } from "./tally.ts";

/**
 * Whether an isolate has to pause: its last calls failed without a success in between, and for as
 * long as evidence has to last at the object.
 */
export function hasToPause(
  { inARow, rowSince, pause }: Tally,
  snapshot: Snapshot | undefined,
  { evidenceMs }: BreakerSettings,
  now: number,
): boolean {
  const most = snapshot?.inARow ?? Number.POSITIVE_INFINITY;
  const lastedMs = elapsedMs(rowSince, now);
  return !pause.isOn && inARow >= most && lastedMs >= evidenceMs - REPORT_DELAY_MS;
}

/** The call that tries after a pause ends the pause, or begins a longer one. */
export function outcomesInPause(tally: Tally, clock: Clock, onEnd: () => void): Outcomes {
  const end = (): void => {
    tally.pause.end();
    onEnd();
  };
  return {
    success: () => {
      tally.success();
      end();
    },
    slow: () => {
      tally.slow();
      end();
    },
    failure: (error, retryAfterMs) => {
      tally.failure(error, retryAfterMs);
      tally.pause.begin(clock.now(), retryAfterMs);
    },
  };
}

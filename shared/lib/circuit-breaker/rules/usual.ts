import type { Usual } from "./evidence.ts";
import type { BreakerSettings } from "./settings.ts";
import { countWindow, type Window } from "./window.ts";

/**
 * The window lacks the calls that no isolate has reported yet. To expect too few would be to open
 * without reason.
 */
const UNREPORTED = 1.2;
/** One failure of a few calls is no share. */
const DOUBT_CALLS = 20;
/** The part of the window that shows a share of failures which has just begun. */
const LATE_PART = 1 / 4;

type Counted = { window: Window; since: number; usual: number };

/** What is usual, by the window, and by what was usual before it while it is young. */
export function usualOf(
  { window, since, usual }: Counted,
  { windowMs }: Pick<BreakerSettings, "windowMs">,
  now: number,
): Usual {
  const all = countWindow(window, windowMs, now);
  const late = countWindow(window, windowMs, now, windowMs * LATE_PART);
  const missing = Math.min(Math.max(1 - (now - since) / windowMs, 0), 1);
  const callsPerMs = (Math.max(all.calls, 0) / windowMs) * UNREPORTED + usual * missing;
  return { callsPerMs, failing: Math.max(share(all), share(late)) };
}

function share({ failures, calls }: { failures: number; calls: number }): number {
  return failures / (Math.max(calls, failures) + DOUBT_CALLS);
}

/** At the usual share of failures, so many in a row come by chance once in ten thousand calls. */
export function failuresInARow(
  { failing }: Usual,
  { failures }: Pick<BreakerSettings, "failures">,
): number {
  const chance = Math.min(Math.max(failing, 1e-6), 0.5);
  return Math.max(failures, Math.ceil(Math.log(1e-4) / Math.log(chance)));
}

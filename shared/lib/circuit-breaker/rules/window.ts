/**
 * A rolling count of calls. It is kept in buckets, so that its size does not depend on the traffic.
 * Times in milliseconds.
 */
export type Window = readonly Bucket[];

type Bucket = { readonly start: number } & Readonly<WindowCounts>;

/** `calls` include the `failures`. */
export type Counts = { failures: number; calls: number };

/** `slow` calls are no failures. `held` calls did not run, since their isolate had paused. */
export type WindowCounts = Counts & { slow: number; held: number };

/** A window of 60 s drops old calls in steps of 5 s. */
const BUCKETS = 12;

export const emptyWindow: Window = [];

/** Adds calls at `now` and drops what is older than `windowMs`. */
export function addToWindow(
  window: Window,
  counts: WindowCounts,
  windowMs: number,
  now: number,
): Window {
  const start = bucketStart(windowMs, now);
  const kept = dropOld(window, windowMs, windowMs, now);
  const last = kept.at(-1);
  if (last === undefined || last.start !== start) return [...kept, { start, ...counts }];
  return [...kept.slice(0, -1), { start, ...sumOf([last, counts]) }];
}

/** The counts of the window at `now`, or of its last `lastMs`. */
export function countWindow(
  window: Window,
  windowMs: number,
  now: number,
  lastMs = windowMs,
): WindowCounts {
  return sumOf(dropOld(window, windowMs, lastMs, now));
}

/**
 * Moves counts that lie in the future to `now`: the clock was set back, and they must expire.
 *
 * @returns the same window if none does
 */
export function clampWindowToNow(window: Window, windowMs: number, now: number): Window {
  const current = bucketStart(windowMs, now);
  return window.some(({ start }) => start > current)
    ? [{ start: current, ...sumOf(window) }]
    : window;
}

function dropOld(window: Window, windowMs: number, lastMs: number, now: number): Window {
  const oldest = bucketStart(windowMs, now) - lastMs;
  return window.filter(({ start }) => start > oldest);
}

function sumOf(counts: readonly WindowCounts[]): WindowCounts {
  return counts.reduce(
    (sum, { failures, calls, slow, held }) => ({
      failures: sum.failures + failures,
      calls: sum.calls + calls,
      slow: sum.slow + slow,
      held: sum.held + held,
    }),
    { failures: 0, calls: 0, slow: 0, held: 0 },
  );
}

function bucketStart(windowMs: number, now: number): number {
  const widthMs = windowMs / BUCKETS;
  return Math.floor(now / widthMs) * widthMs;
}

/** Up to a fifth more or less, so that callers that failed together do not come back together. */
const JITTER = 0.2;

/**
 * Exponential back-off in whole milliseconds, as clocks and stored times are:
 * `min(base * 2^(retry - 1), max)` with +-20 % jitter.
 *
 * @param retry 1 for the first retry
 * @param random in [0, 1)
 */
export function backoffMs(
  { baseMs, maxMs }: { baseMs: number; maxMs: number },
  retry: number,
  random: number,
): number {
  return jittered(Math.min(baseMs * 2 ** (retry - 1), maxMs), random);
}

/**
 * A wait with +-20 % jitter, in whole milliseconds.
 *
 * @param random in [0, 1)
 */
export function jittered(waitMs: number, random: number): number {
  return Math.round(waitMs * (1 + JITTER * (2 * random - 1)));
}

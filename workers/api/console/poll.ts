/** When to poll again. Pure. */

const MAX_DELAY_MS = 60_000;

/**
 * The delay doubles after each failure, up to a minute, and is never shorter than the server asks.
 *
 * @param failures polls in a row that failed
 * @param random from 0 to 1, so that consoles that failed together do not retry together
 */
export function nextDelayMs(
  everyMs: number,
  failures: number,
  retryAfterMs: number | null,
  random: number,
): number {
  if (failures === 0) return everyMs;
  const backoff = Math.min(everyMs * 2 ** Math.min(failures, 6), Math.max(MAX_DELAY_MS, everyMs));
  return Math.max(Math.round(backoff * (0.8 + 0.4 * random)), retryAfterMs ?? 0);
}

/** When to ask again, as a pure decision. */

const MAX_DELAY_MS = 60_000;

/**
 * After failures twice as long each time, up to a minute, and never before the server wants it.
 *
 * @param failures how many asks in a row have failed
 * @param random from 0 to 1, so that consoles that failed together do not come back together
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

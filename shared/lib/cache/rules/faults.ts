/** The breaker of KV. */
export const CACHE_BREAKER = "cache";

/**
 * Whether an error of a KV call counts as a failure of KV. KV reports `KV GET failed: 500 Internal
 * Server Error`, with the verb and an HTTP status (developers.cloudflare.com/kv/api). If KV cannot
 * be reached, the runtime reports that without the prefix.
 *
 * | Message | Fault of |
 * |---|---|
 * | `TimeoutError`; status 5xx; network lost, internal error | KV |
 * | status 429: one write per second and key, or the account's limit | a writer that is too fast |
 * | other 4xx: a key or value that is too long, a bad expiration; a TypeError | the caller |
 */
export function isKvFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "TimeoutError") return true;
  const status = /^KV \w+ failed: (\d{3})/.exec(error.message)?.[1];
  return status === undefined
    ? /^network connection lost|^internal error|\boverloaded\b/i.test(error.message)
    : status >= "500";
}

export function isRateLimit(error: unknown): boolean {
  return error instanceof Error && /^KV \w+ failed: 429/.test(error.message);
}

/**
 * The time of a `Retry-After` header in milliseconds (RFC 9110, 10.2.3): seconds or an HTTP date.
 * Null if it is absent or anything else.
 */
export function retryAfterMsOf(header: string | null, now: number): number | null {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const at = httpDate.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(at - now, 0);
}

/** The one form that senders must generate; `Date.parse` would take much that is no date. */
const httpDate = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

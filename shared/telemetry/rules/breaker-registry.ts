import { DAY_MS } from "../../lib/base/clock.ts";

/** Which circuit breakers are listed by name, beside those that Luna itself uses. Pure. */

export const MAX_REGISTERED = 200;
/** A breaker that announced nothing for so long leaves the list. */
export const IDLE_MS = 30 * DAY_MS;
/** A breaker that is used announces itself daily. One that has not for so long is not used. */
const UNUSED_MS = 2 * DAY_MS;
/** A breaker that was refused asks again daily, and is shown for so long. */
export const REFUSED_MS = UNUSED_MS;

/**
 * Names become labels of metrics, and `GET /health` shows them to anyone. So an address, a URL or a
 * key is no name: words are at most 20 letters and digits, or 40 letters.
 */
const NAME = /^(?=[a-z])(?:[a-z]{1,40}|[a-z0-9]{1,20})(?:[.:_-](?:[a-z]{1,40}|[a-z0-9]{1,20}))*$/i;
const MAX_NAME_LENGTH = 64;

export const NAME_RULE =
  `must be at most ${MAX_NAME_LENGTH} characters: words of letters and digits, separated by ` +
  "one of . : _ - each, the first of which begins with a letter; a word with a digit has at most " +
  "20 characters, any other 40";

export function isBreakerName(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && NAME.test(name);
}

export function isUsed({ reportedAt }: { reportedAt: number }, now: number): boolean {
  return now - reportedAt < UNUSED_MS;
}

/** Why a breaker is not listed. `name`: its name breaks the rule, and is stored nowhere. */
export type RefusalReason = "full" | "name";

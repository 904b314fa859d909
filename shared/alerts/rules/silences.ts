import * as v from "valibot";
import { DAY_MS } from "../../lib/base/clock.ts";
import type { Alert, NoticeKind } from "./evaluate.ts";

/**
 * Silences: for a time, operators get no notice of some alerts. An alert is evaluated and shown
 * meanwhile. A maintenance window is a silence that begins later. Pure.
 */

/** `createdBy`: an operator. Times are milliseconds since the epoch; `endsAt` is excluded. */
export type Silence = {
  id: string;
  match: string;
  reason: string;
  createdBy: string;
  startsAt: number;
  endsAt: number;
};

const MAX_SILENCE_MS = 30 * DAY_MS;
/** How far ahead a maintenance window can be planned. */
const MAX_AHEAD_MS = 90 * DAY_MS;

/** The key of an alert, or the beginning of keys with `*` at its end; `*` alone matches all. */
export const silenceMatch = v.pipe(
  v.string("must be text"),
  v.maxLength(200, "is too long"),
  v.regex(
    /^([\w.:-]+\*?|\*)$/,
    "must be the key of an alert, such as email:dead, or its beginning and *, such as breaker:*",
  ),
);

/** What is wrong with the times of a new silence; null if nothing is. */
export function wrongTimes(
  { startsAt, endsAt }: Pick<Silence, "startsAt" | "endsAt">,
  now: number,
): { path: "startsAt" | "endsAt"; message: string } | null {
  if (startsAt - now > MAX_AHEAD_MS)
    return { path: "startsAt", message: "must be at most 90 days ahead" };
  if (endsAt <= Math.max(startsAt, now))
    return { path: "endsAt", message: "must be in the future, and after startsAt" };
  if (endsAt - startsAt > MAX_SILENCE_MS)
    return { path: "endsAt", message: "must be at most 30 days after startsAt" };
  return null;
}

function matches(match: string, key: string): boolean {
  return match.endsWith("*") ? key.startsWith(match.slice(0, -1)) : key === match;
}

/** The silence of an alert that ends last; null if none holds at `now`. */
export function silenceOf(silences: readonly Silence[], key: string, now: number): Silence | null {
  return silences
    .filter(({ match, startsAt, endsAt }) => startsAt <= now && now < endsAt && matches(match, key))
    .reduce<Silence | null>(
      (last, one) => (last === null || one.endsAt > last.endsAt ? one : last),
      null,
    );
}

type Evaluated = { alert: Alert; notice: NoticeKind | null };

/**
 * What becomes of the notice of an evaluated alert. A silence keeps it. If the alert still holds
 * when the silence is over, operators are reminded at once.
 *
 * @returns `isSilenced`: the notice is recorded, and no channel gets it
 */
export function applySilence(
  { alert, notice }: Evaluated,
  { isSilenced, holds, now }: { isSilenced: boolean; holds: boolean; now: number },
): Evaluated & { isSilenced: boolean } {
  const isFiring = alert.firedAt !== null;
  if (isSilenced) {
    const withheld = isFiring && (alert.withheld || notice !== null);
    return { alert: { ...alert, withheld }, notice, isSilenced: notice !== null };
  }
  const isDue = alert.withheld && isFiring && holds;
  if (notice === null && isDue)
    return {
      alert: { ...alert, withheld: false, remindedAt: now },
      notice: alert.flappingSince === null ? "reminder" : "flapping",
      isSilenced: false,
    };
  const withheld = notice === null && isFiring && alert.withheld;
  return { alert: { ...alert, withheld }, notice, isSilenced: false };
}

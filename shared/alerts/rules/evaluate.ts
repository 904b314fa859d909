/**
 * When somebody is told of what is wrong: on the flip, once a day while it lasts, and when it is
 * over. Pure.
 */

/**
 * What was found out about one thing just now. `forMs`: it has to hold that long before it is worth
 * telling.
 */
export type Finding = {
  key: string;
  holds: boolean;
  forMs: number;
  summary: string;
  /**
   * When what it counts came last, in milliseconds since the epoch: something new is worth telling
   * again.
   */
  newestAt?: number | null;
  /** What to say when it is over; else what was said when it began. */
  over?: string;
};

/** What is known of it. `firedAt` is null while nobody was told. */
export type Alert = {
  holdsSince: number | null;
  firedAt: number | null;
  remindedAt: number | null;
};

export type NoticeKind = "fired" | "reminder" | "recovered";

export const quiet: Alert = { holdsSince: null, firedAt: null, remindedAt: null };

const REMIND_MS = 86_400_000;
/** Of what is new somebody hears within this, and not for each. */
const NEWS_MS = 3_600_000;

/**
 * @param now milliseconds since the epoch
 * @returns what is known from now on, and what is to be said, if anything
 */
export function judge(
  alert: Alert,
  { holds, forMs, newestAt }: Pick<Finding, "holds" | "forMs" | "newestAt">,
  now: number,
): { alert: Alert; say: NoticeKind | null } {
  if (!holds) return { alert: quiet, say: alert.firedAt === null ? null : "recovered" };
  // A clock that was set back starts anew.
  const holdsSince = Math.min(alert.holdsSince ?? now, now);
  if (alert.firedAt === null) {
    if (now - holdsSince < forMs)
      return { alert: { holdsSince, firedAt: null, remindedAt: null }, say: null };
    return { alert: { holdsSince, firedAt: now, remindedAt: null }, say: "fired" };
  }
  const toldAt = alert.remindedAt ?? alert.firedAt;
  const isNews = newestAt !== undefined && newestAt !== null && newestAt > toldAt;
  if (now - toldAt < (isNews ? NEWS_MS : REMIND_MS))
    return { alert: { ...alert, holdsSince }, say: null };
  return { alert: { ...alert, holdsSince, remindedAt: now }, say: "reminder" };
}

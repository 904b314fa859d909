import { DAY_MS } from "../../lib/base/clock.ts";

/**
 * When operators are notified of an alert condition: when it begins to hold, once a day while it
 * holds, and when it no longer holds. Pure.
 */

/** A condition as it was just found. `forMs`: how long it has to hold before the alert fires. */
export type AlertCondition = {
  key: string;
  holds: boolean;
  forMs: number;
  summary: string;
  /**
   * When the newest of the things that it counts occurred, in milliseconds since the epoch. A newer
   * one is worth another notice.
   */
  newestAt?: number | null;
  /** The text of the notice that the alert has recovered. Default: the text with which it fired. */
  resolvedReason?: string;
};

/** The stored state of an alert. `firedAt`: null while no notice that it fired was made. */
export type Alert = {
  holdsSince: number | null;
  firedAt: number | null;
  remindedAt: number | null;
};

export type NoticeKind = "fired" | "reminder" | "recovered";

export const quiet: Alert = { holdsSince: null, firedAt: null, remindedAt: null };

const REMIND_MS = DAY_MS;
/** New occurrences are reported at most once per hour. */
const NEWS_MS = 3_600_000;

/**
 * @param now milliseconds since the epoch
 * @returns the new state of the alert, and the notice to deliver, if any
 */
export function evaluate(
  alert: Alert,
  { holds, forMs, newestAt }: Pick<AlertCondition, "holds" | "forMs" | "newestAt">,
  now: number,
): { alert: Alert; notice: NoticeKind | null } {
  if (!holds) return { alert: quiet, notice: alert.firedAt === null ? null : "recovered" };
  // If the clock was set back, the time starts again.
  const holdsSince = Math.min(alert.holdsSince ?? now, now);
  if (alert.firedAt === null) {
    if (now - holdsSince < forMs)
      return { alert: { holdsSince, firedAt: null, remindedAt: null }, notice: null };
    return { alert: { holdsSince, firedAt: now, remindedAt: null }, notice: "fired" };
  }
  const notifiedAt = alert.remindedAt ?? alert.firedAt;
  const hasNews = newestAt !== undefined && newestAt !== null && newestAt > notifiedAt;
  if (now - notifiedAt < (hasNews ? NEWS_MS : REMIND_MS))
    return { alert: { ...alert, holdsSince }, notice: null };
  return { alert: { ...alert, holdsSince, remindedAt: now }, notice: "reminder" };
}

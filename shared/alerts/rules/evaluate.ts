import { DAY_MS } from "../../lib/base/clock.ts";
import { countedSince, heldWithin, lastChange, observe, type Held } from "./held.ts";

/**
 * When operators are notified of an alert condition: when it begins to hold, once per day while it
 * holds, and when it has not held for a while. One that begins again and again is notified as
 * flapping instead. Pure.
 */

/** A condition as it was just found. */
export type AlertCondition = {
  key: string;
  holds: boolean;
  /** How long it has to hold, within `windowMs`, before the alert fires. */
  forMs: number;
  /** Default: `forMs`, so it has to hold without a break. */
  windowMs?: number;
  summary: string;
  /**
   * When the newest of the things that it counts occurred, in milliseconds since the epoch. A newer
   * one is worth another notice.
   */
  newestAt?: number | null;
  /** The text of the notice that the alert has recovered. Default: its last text. */
  resolvedReason?: string;
  /** What it is about no longer exists, so it cannot hold again: the alert is over at once. */
  isGone?: boolean;
};

/** The stored state of an alert. */
export type Alert = {
  /** Since when it holds; null if it does not. A firing alert keeps it until it is over. */
  holdsSince: number | null;
  /** Null while no notice that it fired was made. */
  firedAt: number | null;
  /** When the latest notice after that was made. */
  remindedAt: number | null;
  /** Since when it flaps; null if it does not. */
  flappingSince: number | null;
  /** When an operator acknowledged it; null if none did. It counts from `firedAt` on. */
  acknowledgedAt: number | null;
  /** A silence kept its latest notice. */
  withheld: boolean;
  /** When it has held lately, oldest first. */
  held: Held[];
};

export type NoticeKind = "fired" | "reminder" | "flapping" | "recovered";

export const quiet: Alert = {
  holdsSince: null,
  firedAt: null,
  remindedAt: null,
  flappingSince: null,
  acknowledgedAt: null,
  withheld: false,
  held: [],
};

const REMIND_MS = DAY_MS;
/** New occurrences are reported at most once per hour. */
const NEWS_MS = 3_600_000;

/** An alert flaps from so many beginnings on... */
const FLAPPING_BEGINS = 3;
/** ...within so many recovery times: six hours by default. */
const FLAPPING_TIMES = 72;
/** A flapping alert is calm after so many recovery times without a change: two hours by default. */
const CALM_TIMES = 24;

/**
 * `now`: milliseconds since the epoch. `recoveryMs`: how long a condition must not hold before its
 * alert is over; 0: it is over at once, and no alert ever flaps.
 */
type Times = { now: number; recoveryMs: number };

/**
 * @returns the new state of the alert, and the notice to deliver, if any
 */
export function evaluate(
  before: Alert,
  condition: Omit<AlertCondition, "key" | "summary">,
  { now, recoveryMs }: Times,
): { alert: Alert; notice: NoticeKind | null } {
  const { holds, forMs, windowMs = forMs, isGone = false } = condition;
  if (isGone) return { alert: quiet, notice: before.firedAt === null ? null : "recovered" };
  const keptMs = Math.max(windowMs, FLAPPING_TIMES * recoveryMs);
  const held = observe(before.held, holds, { now, keptMs });
  const flappingSince = isCalm(held, { now, recoveryMs }) ? null : before.flappingSince;
  const alert = { ...before, held, flappingSince };
  if (!holds) return notHolding(alert, { now, recoveryMs });
  const since = alert.firedAt === null ? lastChange(held) : alert.holdsSince;
  const holding = { ...alert, holdsSince: Math.min(since ?? now, now) };
  if (holding.firedAt !== null) return firing(holding, condition, { now, recoveryMs });
  return heldWithin(held, { now, windowMs }) < forMs
    ? { alert: holding, notice: null }
    : fired(holding, { now, recoveryMs });
}

/** The condition does not hold: is the alert over? */
function notHolding(
  alert: Alert,
  { now, recoveryMs }: Times,
): { alert: Alert; notice: NoticeKind | null } {
  const { held, firedAt, flappingSince } = alert;
  const over = { ...quiet, held };
  if (firedAt === null) return { alert: over, notice: null };
  const neededMs = flappingSince === null ? recoveryMs : CALM_TIMES * recoveryMs;
  return now - (lastChange(held) ?? 0) < neededMs
    ? { alert, notice: null }
    : { alert: over, notice: "recovered" };
}

function fired(alert: Alert, times: Times): { alert: Alert; notice: NoticeKind } {
  const { now } = times;
  const next = { ...alert, firedAt: now, held: counted(alert.held) };
  return isFlapping(next.held, times)
    ? { alert: { ...next, flappingSince: now }, notice: "flapping" }
    : { alert: next, notice: "fired" };
}

/** The alert has fired and its condition holds, perhaps again. */
function firing(
  before: Alert,
  { newestAt }: Pick<AlertCondition, "newestAt">,
  times: Times,
): { alert: Alert; notice: NoticeKind | null } {
  const { now } = times;
  const alert = { ...before, held: counted(before.held) };
  const { flappingSince, firedAt, remindedAt } = alert;
  const isQuiet = isAcknowledged(alert);
  if (flappingSince === null && isNew(before.held) && isFlapping(alert.held, times))
    return {
      alert: { ...alert, flappingSince: now, remindedAt: now },
      notice: isQuiet ? null : "flapping",
    };
  const notifiedAt = remindedAt ?? firedAt ?? now;
  const hasNews =
    flappingSince === null && newestAt !== undefined && newestAt !== null && newestAt > notifiedAt;
  if (now - notifiedAt < (hasNews ? NEWS_MS : REMIND_MS)) return { alert, notice: null };
  if (isQuiet && !hasNews) return { alert, notice: null };
  return {
    alert: { ...alert, remindedAt: now },
    notice: flappingSince === null ? "reminder" : "flapping",
  };
}

/**
 * Whether an operator works on it: then only news, such as further dead letters, and its end are
 * notified.
 */
export function isAcknowledged({
  acknowledgedAt,
  firedAt,
}: Pick<Alert, "acknowledgedAt" | "firedAt">): boolean {
  return acknowledgedAt !== null && firedAt !== null && acknowledgedAt >= firedAt;
}

function isFlapping(held: Held[], { now, recoveryMs }: Times): boolean {
  return countedSince(held, now - FLAPPING_TIMES * recoveryMs) >= FLAPPING_BEGINS;
}

/** Whether the condition holds and has held without a break for long enough to flap no more. */
function isCalm(held: Held[], { now, recoveryMs }: Times): boolean {
  const last = held.at(-1);
  return last?.until === null && now - last.from >= CALM_TIMES * recoveryMs;
}

/** Whether the newest time has not yet counted as a beginning of the alert. */
function isNew(held: Held[]): boolean {
  return held.at(-1)?.isCounted === false;
}

function counted(held: Held[]): Held[] {
  return isNew(held)
    ? held.map((one, n) => (n === held.length - 1 ? { ...one, isCounted: true } : one))
    : held;
}

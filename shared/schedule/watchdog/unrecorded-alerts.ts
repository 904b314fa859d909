import { markFiredDelivered, readAlerts } from "../../alerts/sql/alerts.ts";
import type { Notifier } from "../../alerts/watch.ts";
import { elapsedMs } from "../../lib/base/clock.ts";
import { within } from "../../lib/base/deadline.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { counters } from "../../telemetry/counters.ts";
import type { UnrecordedAlert } from "./rules/rpc.ts";
import {
  forgetUnrecorded,
  markUnrecordedNotified,
  readUnrecorded,
  saveUnrecorded,
} from "./stored-unrecorded.ts";

/**
 * Alerts that D1 had no room to record, in the storage of the watchdog: the webhook is notified of
 * each once, until D1 takes rows again.
 */

/** How long D1 may take. */
const D1_TIMEOUT_MS = 5_000;

/**
 * Notifies the webhook of alerts that hold for long enough and of which it was not notified yet.
 * `alerts`: all that D1 could not record now.
 */
export async function notifyUnrecorded(
  sql: SqlStorage,
  alerts: readonly UnrecordedAlert[],
  notify: Notifier,
  now: number,
): Promise<void> {
  for (const alert of alerts) saveUnrecorded(sql, alert, now);
  for (const { key, summary, since, notifiedAt } of readUnrecorded(sql)) {
    const alert = alerts.find((one) => one.key === key);
    if (notifiedAt !== null) continue;
    if (alert === undefined) forgetUnrecorded(sql, key);
    else if (elapsedMs(since, now) >= alert.forMs)
      await deliver(
        () => notify({ id: `unrecorded:${key}:${since}`, key, kind: "fired", summary, at: now }),
        () => markUnrecordedNotified(sql, key, now),
      );
  }
}

/**
 * D1 takes rows again: what fires there is its own from now on, and is not notified twice. What
 * does not is over.
 *
 * @throws Error if D1 does not answer: the next report tries again
 */
export async function handBackUnrecorded(
  sql: SqlStorage,
  db: D1Database,
  notify: Notifier | undefined,
  now: number,
): Promise<void> {
  const stored = readUnrecorded(sql);
  if (stored.length === 0) return;
  const recorded = await within(D1_TIMEOUT_MS, readAlerts(db));
  const firing = new Set(recorded.flatMap(({ key, firedAt }) => (firedAt === null ? [] : [key])));
  const notified = stored.filter(({ notifiedAt }) => notifiedAt !== null);
  const keys = notified.flatMap(({ key }) => (firing.has(key) ? [key] : []));
  await within(D1_TIMEOUT_MS, markFiredDelivered(db, keys, now));
  for (const { key, summary, since, notifiedAt } of stored) {
    if (notifiedAt === null || firing.has(key) || notify === undefined) forgetUnrecorded(sql, key);
    else
      await deliver(
        () =>
          notify({
            id: `unrecorded:${key}:${since}:over`,
            key,
            kind: "recovered",
            summary,
            at: now,
          }),
        () => forgetUnrecorded(sql, key),
      );
  }
}

/** One notice that fails keeps no other. The next call delivers it. */
async function deliver(notify: () => Promise<void>, delivered: () => void): Promise<void> {
  try {
    await notify();
    delivered();
    counters.count("luna_alerts_sent_total", { channel: "webhook" });
  } catch (error) {
    counters.count("luna_alert_failures_total", { channel: "webhook" });
    log("error", "watchdog.webhook_failed", describeError(error));
  }
}

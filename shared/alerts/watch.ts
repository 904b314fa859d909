import { describeError, log } from "../lib/worker/log.ts";
import { counters } from "../telemetry/counters.ts";
import { evaluate, quiet, type Alert, type AlertCondition } from "./rules/evaluate.ts";
import type { Severity } from "./rules/severity.ts";
import { applySilence, silenceOf } from "./rules/silences.ts";
import { alertText } from "./rules/text.ts";
import {
  leaseNotice,
  markDelivered,
  readAlerts,
  releaseNotice,
  saveEvaluations,
  undeliveredNotices,
  type Channel,
  type Notice,
} from "./sql/alerts.ts";
import { findSilences } from "./sql/silences.ts";

/**
 * Delivers one notice on a channel. Rejects on failure: the notice is then delivered later. Must be
 * idempotent for the same notice.
 */
export type Notifier = (notice: Notice) => Promise<void>;

/** Notices per round: an outage that ends must not flood operators. */
const PER_ROUND = 20;

/**
 * `recoveryMs`: how long a condition must not hold before its alert is over. `resolvedReason`: why
 * an alert without a condition has recovered; null if it may still hold.
 */
type EvaluationOptions = {
  now: number;
  newId: () => string;
  recoveryMs: number;
  resolvedReason?: (key: string) => string | null;
};

/**
 * Evaluates alert conditions and records the notices to deliver.
 *
 * @returns the keys of the conditions whose alert is firing now
 */
export async function recordConditions(
  db: D1Database,
  conditions: AlertCondition[],
  { now, newId, recoveryMs, resolvedReason = () => null }: EvaluationOptions,
): Promise<Set<string>> {
  const [alerts, silences] = await Promise.all([readAlerts(db), findSilences(db, now)]);
  const stored = new Map(alerts.map((alert) => [alert.key, alert]));
  const given = new Set(conditions.map(({ key }) => key));
  const resolved = [...stored.keys()].flatMap((key): AlertCondition[] => {
    const reason = given.has(key) ? null : resolvedReason(key);
    return reason === null
      ? []
      : [{ key, holds: false, forMs: 0, summary: "", resolvedReason: reason, isGone: true }];
  });
  const evaluations = [...conditions, ...resolved].map((condition) => {
    const before = stored.get(condition.key) ?? null;
    const evaluated = applySilence(evaluate(before ?? quiet, condition, { now, recoveryMs }), {
      isSilenced: silenceOf(silences, condition.key, now) !== null,
      holds: condition.holds,
      now,
    });
    return { condition, before, ...evaluated, noticeId: newId() };
  });
  const changed = evaluations.filter(
    ({ condition, before, alert, notice }) =>
      notice !== null || !isSame(alert, before ?? quiet) || isNewText(alert, condition, before),
  );
  if (changed.length > 0) await saveEvaluations(db, changed, now);
  return new Set(
    evaluations.flatMap(({ condition, alert }) => (alert.firedAt === null ? [] : [condition.key])),
  );
}

function isSame(alert: Alert, before: Alert): boolean {
  const [held, heldBefore] = [alert.held.at(-1), before.held.at(-1)];
  return (
    alert.holdsSince === before.holdsSince &&
    alert.firedAt === before.firedAt &&
    alert.flappingSince === before.flappingSince &&
    alert.withheld === before.withheld &&
    held?.from === heldBefore?.from &&
    held?.until === heldBefore?.until &&
    held?.isCounted === heldBefore?.isCounted
  );
}

/** Whether a firing alert has other numbers than before: its text changes without a notice. */
function isNewText(
  alert: Alert,
  condition: AlertCondition,
  before: { summary: string } | null,
): boolean {
  const text = before?.summary ?? null;
  return alert.firedAt !== null && alertText(condition, text) !== text;
}

/**
 * Delivers the recorded notices on each channel. A channel that fails delivers later and does not
 * delay the others.
 *
 * @param least what each channel takes; all of them if it is not named
 */
export async function deliverNotices(
  db: D1Database,
  channels: Partial<Record<Channel, Notifier>>,
  clock: () => number,
  least: Partial<Record<Channel, Severity>> = {},
): Promise<void> {
  const deliverOn = async (channel: Channel, notify: Notifier): Promise<void> => {
    const taken = { channel, least: least[channel] ?? "ticket" };
    const page = { now: clock(), limit: PER_ROUND };
    try {
      for (const notice of await undeliveredNotices(db, taken, page))
        await deliverNotice({ db, channel, notify, clock }, notice);
    } catch (error) {
      log("error", "alert.channel_failed", { channel, ...describeError(error) });
    }
  };
  await Promise.all(
    Object.entries(channels).map(([channel, notify]) => deliverOn(channel as Channel, notify)),
  );
}

/** Keeps a concurrent round from delivering the same notice. */
const LEASE_MS = 60_000;

type NoticeDelivery = {
  db: D1Database;
  channel: Channel;
  notify: Notifier;
  clock: () => number;
};

async function deliverNotice(
  { db, channel, notify, clock }: NoticeDelivery,
  notice: Notice,
): Promise<void> {
  const now = clock();
  const lease = { now, until: now + LEASE_MS };
  if (!(await leaseNotice(db, channel, notice.id, lease))) return;
  try {
    await notify(notice);
  } catch (error) {
    counters.count("luna_alert_failures_total", { channel });
    await releaseNotice(db, channel, notice.id);
    throw error;
  }
  counters.count("luna_alerts_sent_total", { channel });
  await markDelivered(db, channel, notice.id, clock());
}

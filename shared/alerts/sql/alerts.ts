import type { ExpiringRows } from "../../database/expiring.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import type { Alert, AlertCondition, NoticeKind } from "../rules/evaluate.ts";
import { parseHeld, storedHeld } from "../rules/held.ts";
import { severitiesFrom, severityOf, type Severity } from "../rules/severity.ts";
import { alertText, noticeText } from "../rules/text.ts";

/** SQL of alerts and their notices. */

export type StoredAlert = Alert & {
  key: string;
  summary: string;
  acknowledgedBy: string | null;
  revision: number;
};

export async function readAlerts(db: D1Database): Promise<StoredAlert[]> {
  const { results } = await db
    .prepare(
      `SELECT key, holds_since AS holdsSince, fired_at AS firedAt, reminded_at AS remindedAt,
              flapping_since AS flappingSince, held, summary, revision,
              acknowledged_at AS acknowledgedAt, acknowledged_by AS acknowledgedBy, withheld
       FROM alerts ORDER BY key`,
    )
    .all<
      Omit<StoredAlert, "held" | "withheld"> & { held: string | null; withheld: number | null }
    >();
  return results.map((row) => ({
    ...row,
    // The previous release ends an alert without these columns.
    flappingSince: row.firedAt === null ? null : row.flappingSince,
    withheld: row.firedAt !== null && row.withheld === 1,
    held: parseHeld(row.held, row),
  }));
}

/** An evaluated condition. `before`: the alert as it was read; null if it is new. */
export type Evaluation = {
  condition: AlertCondition;
  before: StoredAlert | null;
  alert: Alert;
  notice: NoticeKind | null;
  /** No channel gets the notice. */
  isSilenced: boolean;
  noticeId: string;
};

/** The evaluations of `?1` whose alert has not changed since it was read. */
const unchanged = `json_each(?1) AS e LEFT JOIN alerts AS a ON a.key = e.value ->> 'key'
  WHERE COALESCE(a.revision, 0) = e.value ->> 'revision'`;

const insertNotices = `INSERT INTO alert_notices
    (id, key, kind, flapping, summary, at, severity, silenced, email_at, webhook_at)
  SELECT e.value ->> 'noticeId', e.value ->> 'key',
         iif(e.value ->> 'notice' = 'flapping', 'reminder', e.value ->> 'notice'),
         iif(e.value ->> 'notice' = 'flapping', 1, NULL), e.value ->> 'noticeText', ?2,
         e.value ->> 'severity', e.value ->> 'silenced',
         iif(e.value ->> 'silenced' = 1, ?2, NULL), iif(e.value ->> 'silenced' = 1, ?2, NULL)
  FROM ${unchanged} AND e.value ->> 'notice' IS NOT NULL
  ON CONFLICT (id) DO NOTHING`;

const upsertAlerts = `INSERT INTO alerts
    (key, holds_since, fired_at, reminded_at, flapping_since, held, withheld, summary, revision)
  SELECT e.value ->> 'key', e.value ->> 'holdsSince', e.value ->> 'firedAt',
         e.value ->> 'remindedAt', e.value ->> 'flappingSince', e.value ->> 'held',
         e.value ->> 'withheld', e.value ->> 'summary', 1 + e.value ->> 'revision'
  FROM ${unchanged}
  ON CONFLICT (key) DO UPDATE SET holds_since = excluded.holds_since,
    fired_at = excluded.fired_at, reminded_at = excluded.reminded_at,
    flapping_since = excluded.flapping_since, held = excluded.held, withheld = excluded.withheld,
    summary = excluded.summary, revision = excluded.revision`;

/**
 * Saves evaluated alerts and their notices in one batch. An alert that a concurrent evaluation has
 * changed since it was read stays as it is.
 */
export async function saveEvaluations(
  db: D1Database,
  evaluations: Evaluation[],
  now: number,
): Promise<void> {
  const rows = JSON.stringify(
    evaluations.map(({ condition, before, alert, notice, isSilenced, noticeId }) => {
      const summary = alertText(condition, before?.summary ?? null);
      return {
        // First: `alert` may be the stored row, whose summary and revision are replaced below.
        ...alert,
        held: storedHeld(alert.held),
        withheld: alert.withheld ? 1 : null,
        key: condition.key,
        severity: severityOf(condition.key),
        silenced: isSilenced ? 1 : null,
        summary,
        revision: before?.revision ?? 0,
        notice,
        noticeId,
        noticeText: notice === null ? null : noticeText(notice, summary, condition),
      };
    }),
  );
  await db.batch([db.prepare(insertNotices).bind(rows, now), db.prepare(upsertAlerts).bind(rows)]);
}

/** The CHECK of the column allows no flapping notice. */
const kindOf = (table: string): string =>
  `iif(${table}flapping = 1, 'flapping', ${table}kind) AS kind`;

export type Channel = "email" | "webhook";
export type Notice = { id: string; key: string; kind: NoticeKind; summary: string; at: number };

/** Older notices are not delivered: a new channel must not receive a month of history. */
const MAX_NOTICE_AGE_MS = 7 * DAY_MS;

/**
 * What a channel that takes these severities has not delivered yet: notices of firing alerts first,
 * then oldest first.
 */
export async function undeliveredNotices(
  db: D1Database,
  { channel, least }: { channel: Channel; least: Severity },
  { now, limit }: { now: number; limit: number },
): Promise<Notice[]> {
  const { results } = await db
    .prepare(
      `SELECT n.id, n.key, ${kindOf("n.")}, n.summary, n.at
       FROM alert_notices n LEFT JOIN alerts a ON a.key = n.key AND a.fired_at IS NOT NULL
       WHERE n.${channel}_at IS NULL AND n.at >= ?1
         AND (n.severity IS NULL OR n.severity IN (SELECT value FROM json_each(?3)))
       ORDER BY a.key IS NULL, n.at, n.id LIMIT ?2`,
    )
    .bind(now - MAX_NOTICE_AGE_MS, limit, JSON.stringify(severitiesFrom(least)))
    .all<Notice>();
  return results;
}

/**
 * Leases a notice in order to deliver it.
 *
 * @returns false if another round has leased or delivered it
 */
export async function leaseNotice(
  db: D1Database,
  channel: Channel,
  id: string,
  { now, until }: { now: number; until: number },
): Promise<boolean> {
  const leased = await db
    .prepare(
      `UPDATE alert_notices SET ${channel}_lease = ?3
       WHERE id = ?1 AND ${channel}_at IS NULL
         AND (${channel}_lease IS NULL OR ${channel}_lease <= ?2)`,
    )
    .bind(id, now, until)
    .run();
  return leased.meta.changes > 0;
}

/** Ends the lease of a notice whose delivery failed. */
export async function releaseNotice(db: D1Database, channel: Channel, id: string): Promise<void> {
  await db.prepare(`UPDATE alert_notices SET ${channel}_lease = NULL WHERE id = ?1`).bind(id).run();
}

/** Marks that the webhook was notified, without D1, that these alerts fired. */
export async function markFiredDelivered(
  db: D1Database,
  keys: string[],
  now: number,
): Promise<void> {
  await db
    .prepare(
      `UPDATE alert_notices INDEXED BY alert_notices_by_key SET webhook_at = ?2
       WHERE key IN (SELECT value FROM json_each(?1)) AND kind = 'fired' AND webhook_at IS NULL`,
    )
    .bind(JSON.stringify(keys), now)
    .run();
}

/** The webhook was notified of the same without D1: it gets no notice of this key again. */
export async function markKeyNotified(db: D1Database, key: string, now: number): Promise<void> {
  await db
    .prepare(
      `UPDATE alert_notices INDEXED BY alert_notices_by_key SET webhook_at = ?2
       WHERE key = ?1 AND webhook_at IS NULL`,
    )
    .bind(key, now)
    .run();
}

export async function markDelivered(
  db: D1Database,
  channel: Channel,
  id: string,
  now: number,
): Promise<void> {
  await db.prepare(`UPDATE alert_notices SET ${channel}_at = ?2 WHERE id = ?1`).bind(id, now).run();
}

type RecentNotice = Notice & {
  emailAt: number | null;
  webhookAt: number | null;
  isSilenced: boolean;
};

/** The newest notices, with when each channel delivered them. */
export async function recentNotices(db: D1Database, limit: number): Promise<RecentNotice[]> {
  const { results } = await db
    .prepare(
      `SELECT id, key, ${kindOf("")}, summary, at, silenced,
              iif(silenced = 1, NULL, email_at) AS emailAt,
              iif(silenced = 1, NULL, webhook_at) AS webhookAt
       FROM alert_notices ORDER BY at DESC, id DESC LIMIT ?1`,
    )
    .bind(limit)
    .all<Omit<RecentNotice, "isSilenced"> & { silenced: number | null }>();
  return results.map(({ silenced, ...notice }) => ({ ...notice, isSilenced: silenced === 1 }));
}

type Notified = { key: string; emailAt: number | null; webhookAt: number | null };

/** When each channel last took a notice about each firing alert, since it fired. */
export async function readNotified(db: D1Database): Promise<Notified[]> {
  const { results } = await db
    .prepare(
      `SELECT a.key, MAX(n.email_at) AS emailAt, MAX(n.webhook_at) AS webhookAt
       FROM alerts a CROSS JOIN alert_notices n ON n.key = a.key AND n.at >= a.fired_at
       WHERE a.fired_at IS NOT NULL AND n.kind <> 'recovered' AND n.silenced IS NULL
       GROUP BY a.key`,
    )
    .all<Notified>();
  return results;
}

/**
 * Notes that an operator works on a firing alert. A repeat keeps who was first.
 *
 * @returns false if it does not fire
 */
export async function acknowledge(
  db: D1Database,
  key: string,
  { by, now }: { by: string; now: number },
): Promise<boolean> {
  const noted = await db
    .prepare(
      `UPDATE alerts SET
         acknowledged_by = iif(acknowledged_at >= fired_at, acknowledged_by, ?2),
         acknowledged_at = iif(acknowledged_at >= fired_at, acknowledged_at, MAX(?3, fired_at))
       WHERE key = ?1 AND fired_at IS NOT NULL`,
    )
    .bind(key, by, now)
    .run();
  return noted.meta.changes > 0;
}

/** @returns false if no operator had acknowledged it */
export async function unacknowledge(db: D1Database, key: string): Promise<boolean> {
  const lifted = await db
    .prepare(
      `UPDATE alerts SET acknowledged_at = NULL, acknowledged_by = NULL
       WHERE key = ?1 AND fired_at IS NOT NULL AND acknowledged_at >= fired_at`,
    )
    .bind(key)
    .run();
  return lifted.meta.changes > 0;
}

/** Notices of before a time. */
export const oldNotices: ExpiringRows = {
  table: "alert_notices",
  key: "id",
  isOver: "at < ?1",
};

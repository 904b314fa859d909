import type { Facts, Streak } from "../rules/conditions.ts";
import type { Alert, Finding, NoticeKind } from "../rules/evaluate.ts";

/** SQL of what is wrong, and of what is to be said of it. */

export type StoredAlert = Alert & { key: string; summary: string; revision: number };

export async function readAlerts(db: D1Database): Promise<StoredAlert[]> {
  const { results } = await db
    .prepare(
      "SELECT key, holds_since AS holdsSince, fired_at AS firedAt, reminded_at AS remindedAt, summary, revision FROM alerts ORDER BY key",
    )
    .all<StoredAlert>();
  return results;
}

/** How one finding was judged, of an alert as it was read. */
export type Judged = {
  finding: Finding;
  before: StoredAlert | null;
  alert: Alert;
  say: NoticeKind | null;
  noticeId: string;
};

/**
 * Writes down what was judged, with what is to be said, in one batch. An alert that somebody else
 * has judged meanwhile stays as it is.
 */
export async function saveJudged(db: D1Database, judged: Judged[], now: number): Promise<void> {
  const rows = JSON.stringify(
    judged.map(({ finding: { key, summary, over }, before, alert, say, noticeId }) => ({
      // First, since it may carry what was said of it before.
      ...alert,
      key,
      summary: say === "recovered" ? (over ?? before?.summary ?? summary) : summary,
      revision: before?.revision ?? 0,
      say,
      noticeId,
    })),
  );
  const unchanged =
    "json_each(?1) AS j LEFT JOIN alerts AS a ON a.key = j.value ->> 'key' WHERE COALESCE(a.revision, 0) = j.value ->> 'revision'";
  await db.batch([
    db
      .prepare(
        `INSERT INTO alert_notices (id, key, kind, summary, at)
         SELECT j.value ->> 'noticeId', j.value ->> 'key', j.value ->> 'say', j.value ->> 'summary', ?2 FROM ${unchanged} AND j.value ->> 'say' IS NOT NULL
         ON CONFLICT (id) DO NOTHING`,
      )
      .bind(rows, now),
    db
      .prepare(
        `INSERT INTO alerts (key, holds_since, fired_at, reminded_at, summary, revision)
         SELECT j.value ->> 'key', j.value ->> 'holdsSince', j.value ->> 'firedAt', j.value ->> 'remindedAt', j.value ->> 'summary', 1 + j.value ->> 'revision'
         FROM ${unchanged}
         ON CONFLICT (key) DO UPDATE SET holds_since = excluded.holds_since, fired_at = excluded.fired_at, reminded_at = excluded.reminded_at,
           summary = excluded.summary, revision = excluded.revision`,
      )
      .bind(rows),
  ]);
}

export type Channel = "email" | "webhook";
export type Notice = { id: string; key: string; kind: NoticeKind; summary: string; at: number };

/**
 * What is older than this nobody needs to hear any more: a channel that is new must not tell of a
 * month.
 */
const NEWS_MS = 7 * 86_400_000;

/** What a channel has not said yet: of what is wrong now first, oldest first. */
export async function unsaid(
  db: D1Database,
  channel: Channel,
  now: number,
  limit: number,
): Promise<Notice[]> {
  const { results } = await db
    .prepare(
      `SELECT n.id, n.key, n.kind, n.summary, n.at FROM alert_notices n LEFT JOIN alerts a ON a.key = n.key AND a.fired_at IS NOT NULL
       WHERE n.${channel}_at IS NULL AND n.at >= ?1 ORDER BY a.key IS NULL, n.at, n.id LIMIT ?2`,
    )
    .bind(now - NEWS_MS, limit)
    .all<Notice>();
  return results;
}

/**
 * Takes a notice to say it. @returns whether it is the caller's until then: else somebody else says
 * it, or has said it
 */
export async function takeNotice(
  db: D1Database,
  channel: Channel,
  id: string,
  now: number,
  until: number,
): Promise<boolean> {
  const taken = await db
    .prepare(
      `UPDATE alert_notices SET ${channel}_lease = ?3
       WHERE id = ?1 AND ${channel}_at IS NULL AND (${channel}_lease IS NULL OR ${channel}_lease <= ?2)`,
    )
    .bind(id, now, until)
    .run();
  return taken.meta.changes > 0;
}

/** Gives a notice back that could not be said. */
export async function dropNotice(db: D1Database, channel: Channel, id: string): Promise<void> {
  await db.prepare(`UPDATE alert_notices SET ${channel}_lease = NULL WHERE id = ?1`).bind(id).run();
}

/** The webhook has said of these alerts that they fired, past D1. */
export async function markFiredSaid(db: D1Database, keys: string[], now: number): Promise<void> {
  await db
    .prepare(
      "UPDATE alert_notices SET webhook_at = ?2 WHERE key IN (SELECT value FROM json_each(?1)) AND kind = 'fired' AND webhook_at IS NULL",
    )
    .bind(JSON.stringify(keys), now)
    .run();
}

export async function markSaid(
  db: D1Database,
  channel: Channel,
  id: string,
  now: number,
): Promise<void> {
  await db.prepare(`UPDATE alert_notices SET ${channel}_at = ?2 WHERE id = ?1`).bind(id, now).run();
}

/** The newest notices, for people. */
export async function recentNotices(
  db: D1Database,
  limit: number,
): Promise<(Notice & { emailAt: number | null; webhookAt: number | null })[]> {
  const { results } = await db
    .prepare(
      `SELECT id, key, kind, summary, at, email_at AS emailAt, webhook_at AS webhookAt FROM alert_notices ORDER BY at DESC, id DESC LIMIT ?1`,
    )
    .bind(limit)
    .all<Notice & { emailAt: number | null; webhookAt: number | null }>();
  return results;
}

/** @returns how many */
export async function deleteNotices(
  db: D1Database,
  before: number,
  limit: number,
): Promise<number> {
  const done = await db
    .prepare(
      "DELETE FROM alert_notices WHERE id IN (SELECT id FROM alert_notices WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )
    .bind(before, limit)
    .run();
  return done.meta.changes;
}

const DAY_MS = 86_400_000;
/**
 * Executions that end within this of each other are looked at together: one must not hide the
 * other.
 */
const RECENT_MS = 120_000;

/**
 * @param runs how many runs of a task make a streak. @param operator the address of whoever is to
 * be told, if by mail
 */
export async function readFacts(
  db: D1Database,
  tasks: string[],
  runs: number,
  operator: string | null,
  now: number,
): Promise<Facts> {
  const [streaks, failed, mails] = await db.batch([
    db
      .prepare(
        // A run whose lease is over has failed, although nobody has written that down yet.
        `SELECT t.value AS task, (SELECT json_group_array(status) FROM (SELECT iif(status = 'running', 'failure', status) AS status FROM task_runs
           WHERE task = t.value AND (status IN ('success', 'failure') OR (status = 'running' AND lease_expires_at <= ?3))
           ORDER BY started_at DESC LIMIT ?2)) AS statuses FROM json_each(?1) AS t`,
      )
      .bind(JSON.stringify(tasks), runs, now),
    db
      .prepare(
        `SELECT r.task FROM task_runs r WHERE r.status = 'failure' AND r.execution_id = (
           SELECT execution_id FROM task_executions WHERE trigger = 'cron' AND total > 0
             AND ended_at >= MIN(?1, (SELECT MAX(ended_at) FROM task_executions WHERE trigger = 'cron' AND total > 0))
           ORDER BY failed DESC, ended_at DESC LIMIT 1)
         ORDER BY r.task`,
      )
      .bind(now - RECENT_MS),
    db
      .prepare(
        `SELECT (SELECT MIN(due_at) FROM emails WHERE status = 'queued') AS oldestDueAt,
                (SELECT COUNT(*) FROM emails WHERE status = 'unknown') AS unknown,
                (SELECT COUNT(*) FROM dead_letters) AS dead,
                (SELECT MAX(buried_at) FROM dead_letters) AS newestDeadAt,
                EXISTS (SELECT 1 FROM suppressions WHERE address = ?2 AND scope = 'all') AS operatorIsSuppressed,
                (SELECT COUNT(*) FROM dead_letters WHERE expires_at < ?1) AS expiring`,
      )
      .bind(now + DAY_MS, operator?.toLowerCase() ?? null),
  ]);
  const rows = (streaks?.results ?? []) as { task: string; statuses: string }[];
  return {
    failed: ((failed?.results ?? []) as { task: string }[]).map(({ task }) => task),
    streaks: rows.map(({ task, statuses }) => ({
      task,
      statuses: JSON.parse(statuses) as Streak["statuses"],
    })),
    mails: (mails?.results[0] as Facts["mails"] | undefined) ?? {
      oldestDueAt: null,
      unknown: 0,
      dead: 0,
      newestDeadAt: null,
      expiring: 0,
      operatorIsSuppressed: 0,
    },
  };
}

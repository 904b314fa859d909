import { runBatch } from "../../database/batch.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import type { Cursor } from "../../http/lists.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import type { DeadOf } from "../rules/causes.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import { pick, selectionOf, type EmailRow } from "./columns.ts";
import { deadLettersOf, matchesNone, type DeadLetterFilter } from "./dead-letter-filter.ts";
import { nextEvent } from "./events.ts";
import { addressesWithout } from "./recipients.ts";
import { notWaiting } from "./waits.ts";

/** SQL of dead letters: recording, showing and replaying them. */

export type DeadEmail = { id: string; generation: number };

/**
 * Records dead emails as dead letters. A repeat, an older generation or an email that was replayed
 * meanwhile changes nothing.
 */
export async function recordDeadLetters(
  db: D1Database,
  emails: DeadEmail[],
  retentionDays: number,
  now: number,
): Promise<void> {
  const named = JSON.stringify(emails);
  const matching = `SELECT e.id FROM json_each(?1) d
    CROSS JOIN emails e ON e.id = d.value ->> 'id' AND e.generation = d.value ->> 'generation'
    WHERE e.status = 'dead' AND e.buried_at IS NULL`;
  await db.batch([
    db
      .prepare(
        `INSERT INTO dead_letters
           (id, kind, generation, reason, last_error, attempts, buried_at, expires_at)
         SELECT id, 'email', generation, dead_reason, last_error, attempts, ?2, ?3
         FROM emails WHERE id IN (${matching})`,
      )
      .bind(named, now, now + retentionDays * DAY_MS),
    db.prepare(`UPDATE emails SET buried_at = ?2 WHERE id IN (${matching})`).bind(named, now),
  ]);
}

/** Dead letters that are older than `DLQ_RETENTION_DAYS`. Their emails stay `dead`. */
export const expiredDeadLetters: ExpiringRows = {
  table: "dead_letters",
  key: "id",
  isOver: "expires_at <= ?1",
};

export type DeadLetter = {
  id: string;
  kind: "email" | "poison";
  generation: number | null;
  reason: string;
  lastError: AttemptDetail | null;
  attempts: number;
  to: string | null;
  /** Who does not have the email, if others may. */
  recipients: string[] | null;
  subject: string | null;
  rawBody: string | null;
  buriedAt: number;
  expiresAt: number;
};

const deadLetterColumns = `d.id, d.kind, d.generation, d.reason,
  d.last_error AS lastError, d.attempts, e.to_address AS "to", e.subject,
  ${addressesWithout("e")} AS recipients,
  d.raw_body AS rawBody, d.buried_at AS buriedAt, d.expires_at AS expiresAt`;
type DeadLetterRow = Omit<DeadLetter, "lastError" | "recipients"> & {
  lastError: string | null;
  recipients: string | null;
};

function deadLetter(row: DeadLetterRow): DeadLetter {
  return {
    ...row,
    recipients: row.recipients === null ? null : (JSON.parse(row.recipients) as string[]),
    lastError: row.lastError === null ? null : (JSON.parse(row.lastError) as AttemptDetail),
  };
}

/** One page of dead letters, oldest first. */
export async function findDeadLetters(
  db: D1Database,
  filter: DeadLetterFilter,
  after: Cursor | null,
  limit: number,
): Promise<DeadLetter[]> {
  if (matchesNone(filter)) return [];
  const letters = deadLettersOf(filter, "LEFT", "(d.buried_at, d.id) > (?2, ?3)");
  const { results } = await db
    .prepare(`SELECT ${deadLetterColumns} FROM ${letters} ORDER BY d.buried_at, d.id LIMIT ?4`)
    .bind(JSON.stringify(filter), after?.at ?? 0, after?.id ?? "", limit)
    .all<DeadLetterRow>();
  return results.map(deadLetter);
}

export async function findDeadLetter(db: D1Database, id: string): Promise<DeadLetter | null> {
  const row = await db
    .prepare(
      `SELECT ${deadLetterColumns} FROM dead_letters d
       LEFT JOIN emails e ON e.id = d.id WHERE d.id = ?1`,
    )
    .bind(id)
    .first<DeadLetterRow>();
  return row === null ? null : deadLetter(row);
}

/** The emails of the oldest dead letters that match, by id. */
export async function oldestDeadEmails(
  db: D1Database,
  filter: DeadLetterFilter,
  limit: number,
): Promise<string[]> {
  if (filter.kind === "poison") return [];
  const emails = { ...filter, kind: "email" } as const;
  const letters = deadLettersOf(emails, "CROSS", "d.buried_at >= 0");
  const { results } = await db
    .prepare(`SELECT d.id FROM ${letters} ORDER BY d.buried_at, d.id LIMIT ?2`)
    .bind(JSON.stringify(emails), limit)
    .all<{ id: string }>();
  return results.map((row) => row.id);
}

/** The oldest dead emails that match, with what ended them. */
export async function oldestWithCause(
  db: D1Database,
  filter: DeadLetterFilter,
  limit: number,
): Promise<DeadOf[]> {
  const emails = { ...filter, kind: "email" } as const;
  const letters = deadLettersOf(emails, "CROSS", "d.buried_at >= 0");
  const { results } = await db
    .prepare(
      `SELECT d.id, d.reason, d.last_error AS lastError, d.buried_at AS buriedAt FROM ${letters}
       ORDER BY d.buried_at, d.id LIMIT ?2`,
    )
    .bind(JSON.stringify(emails), limit)
    .all<Omit<DeadOf, "lastError"> & { lastError: string | null }>();
  return results.map((row) => ({
    ...row,
    lastError: row.lastError === null ? null : (JSON.parse(row.lastError) as AttemptDetail),
  }));
}

/**
 * Discards a dead letter and its email. This cannot be undone.
 *
 * @returns whether there was one
 */
export async function saveDiscard(db: D1Database, id: string, now: number): Promise<boolean> {
  const replies = await runBatch(db, {
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at)
         SELECT e.id, ${nextEvent("e.id")},
           e.generation, 'discarded', ?2
         FROM dead_letters d JOIN emails e ON e.id = d.id WHERE d.id = ?1 AND e.status = 'dead'`,
      )
      .bind(id, now),
    email: db
      .prepare(
        `UPDATE emails SET status = 'discarded', updated_at = ?2
         WHERE status = 'dead' AND id IN (SELECT id FROM dead_letters WHERE id = ?1)`,
      )
      .bind(id, now),
    deleted: db.prepare("DELETE FROM dead_letters WHERE id = ?1").bind(id),
  });
  return replies.deleted.meta.changes > 0;
}

/** `content`: 1 while there is something to send again. */
type EmailStatusRow = { id: string; status: string; attempts: number; content: number };

/** SQL over `emails`: its content was not deleted yet. */
const hasContent = "EXISTS (SELECT 1 FROM email_contents AS c WHERE c.email_id = emails.id)";

/** The status of emails that an operator wants to replay. */
export async function findStatuses(db: D1Database, ids: string[]): Promise<EmailStatusRow[]> {
  const { results } = await db
    .prepare(
      `SELECT id, status, attempts, ${hasContent} AS content FROM emails
       WHERE id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(ids))
    .all<EmailStatusRow>();
  return results;
}

const requeued = selectionOf(pick("id", "generation", "attempts", "dueAt"));

export type Replayed = {
  requeued: EmailRow<"id" | "generation" | "attempts" | "dueAt">[];
  /** The emails that are not dead, or have no content any more. */
  refused: EmailStatusRow[];
};

/**
 * Queues dead emails again as their next generation and removes their dead letters, in one batch.
 * If two replays run at the same time, one requeues an email and the other finds it refused: only
 * `dead` emails are replayed.
 *
 * @param everyMs the emails become due this far apart, in the order of `ids`, so that the provider
 *   does not get a thousand at once
 */
export async function replay(
  db: D1Database,
  ids: string[],
  everyMs: number,
  now: number,
): Promise<Replayed> {
  const wanted = JSON.stringify(ids);
  const times = JSON.stringify(
    ids.map((id, n) => {
      const dueAt = Math.floor(now + n * everyMs);
      return { id, dueAt, notifyAfter: nextNotificationAt(dueAt, now, 0) };
    }),
  );
  // The plus keeps SQLite from the index of all that is dead.
  const dead = `+status = 'dead' AND id IN (SELECT value FROM json_each(?1)) AND ${hasContent}`;
  const replies = await runBatch(db, {
    refused: db
      .prepare(
        `SELECT id, status, attempts, ${hasContent} AS content FROM emails
         WHERE id IN (SELECT value FROM json_each(?1)) AND (status <> 'dead' OR NOT ${hasContent})`,
      )
      .bind(wanted),
    events: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT id, ${nextEvent("emails.id")},
           generation + 1, 'queued', ?2, '{"replayed":true}' FROM emails WHERE ${dead}`,
      )
      .bind(wanted, now),
    deadLetters: db
      .prepare(`DELETE FROM dead_letters WHERE id IN (SELECT id FROM emails WHERE ${dead})`)
      .bind(wanted),
    requeued: db
      .prepare(
        `UPDATE emails SET status = 'queued', generation = generation + 1, generation_at = ?2,
           attempts = 0, transport = NULL, pinned_until = NULL, provider_id = NULL,
           due_at = t.value ->> 'dueAt', ring_after = t.value ->> 'notifyAfter', rings = 0,
           buried_at = NULL, dead_reason = NULL, updated_at = ?2, ${notWaiting}
         FROM json_each(?1) AS t
         WHERE emails.id = t.value ->> 'id' AND +status = 'dead' AND ${hasContent}
         RETURNING ${requeued.list("emails")}`,
      )
      .bind(times, now),
  });
  return {
    requeued: requeued.rows(replies.requeued),
    refused: replies.refused.results as EmailStatusRow[],
  };
}

import type { Cursor } from "../../http/lists.ts";
import type { EmailStatus, OnUnknown } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import { ringAfter } from "../rules/retry-policy.ts";
import type { EmailCategory, EmailEvent, EmailMessage } from "../schemas.ts";

/**
 * SQL of accepting mails and of reading them. Delivery and dead letters have stores of their own.
 */

/** `traceId`: of what brought it, if that is known. */
export type NewEmail = EmailMessage & {
  id: string;
  tenant: string;
  from: string;
  traceId?: string | null;
};

/** What a mail is that is accepted at that time. */
export function acceptedAs(
  { sendAt }: Pick<EmailMessage, "sendAt">,
  acceptedAt: number,
): "scheduled" | "queued" {
  return sendAt !== undefined && sendAt > acceptedAt ? "scheduled" : "queued";
}

/**
 * The statements that accept a mail: for a batch of the caller's, so that they stand or fall with
 * its own.
 */
export function insertEmail(db: D1Database, mail: NewEmail, now: number): D1PreparedStatement[] {
  const dueAt = Math.max(mail.sendAt ?? now, now);
  const status = acceptedAs(mail, now);
  return [
    db
      .prepare(
        `INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, reply_to, subject, html, text, on_unknown,
                             due_at, ring_after, created_at, updated_at, attachments, category, tags, trace_id)
         VALUES (?1, ?2, ?3, ?16, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?12, ?11, ?3, ?3, ?13, ?14, ?15, ?17)`,
      )
      .bind(
        mail.id,
        mail.tenant,
        now,
        mail.from,
        mail.to,
        mail.replyTo ?? null,
        mail.subject,
        mail.html ?? null,
        mail.text ?? null,
        mail.onUnknown,
        ringAfter(dueAt, now, 0),
        dueAt,
        mail.attachments === undefined ? null : JSON.stringify(mail.attachments),
        mail.category ?? "transactional",
        JSON.stringify(mail.tags ?? []),
        status,
        mail.traceId ?? null,
      ),
    db
      .prepare("INSERT INTO email_events (email_id, generation, type, at) VALUES (?1, 1, ?3, ?2)")
      .bind(mail.id, now, status),
  ];
}

export type IdempotencyRecord = {
  tenant: string;
  key: string;
  requestHash: string;
  emailId: string;
  expiresAt: number;
};

/** A live record of the same tenant and key makes the whole batch fail. */
export function insertIdempotencyKey(
  db: D1Database,
  record: IdempotencyRecord,
  now: number,
): D1PreparedStatement[] {
  return [
    db
      .prepare("DELETE FROM idempotency_keys WHERE tenant = ?1 AND key = ?2 AND expires_at <= ?3")
      .bind(record.tenant, record.key, now),
    db
      .prepare(
        "INSERT INTO idempotency_keys (tenant, key, request_hash, email_id, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
      )
      .bind(record.tenant, record.key, record.requestHash, record.emailId, record.expiresAt),
  ];
}

export async function findIdempotencyKey(
  db: D1Database,
  tenant: string,
  key: string,
  now: number,
): Promise<{ requestHash: string; emailId: string; acceptedAt: number } | null> {
  return await db
    .prepare(
      `SELECT k.request_hash AS requestHash, k.email_id AS emailId, e.created_at AS acceptedAt
       FROM idempotency_keys k JOIN emails e ON e.id = k.email_id WHERE k.tenant = ?1 AND k.key = ?2 AND k.expires_at > ?3`,
    )
    .bind(tenant, key, now)
    .first();
}

export async function deleteExpiredIdempotencyKeys(
  db: D1Database,
  now: number,
  limit: number,
): Promise<number> {
  const done = await db
    .prepare(
      "DELETE FROM idempotency_keys WHERE (tenant, key) IN (SELECT tenant, key FROM idempotency_keys WHERE expires_at <= ?1 LIMIT ?2)",
    )
    .bind(now, limit)
    .run();
  return done.meta.changes;
}

/** Whether an accept whose reply was lost reached the database. */
export async function emailExists(db: D1Database, id: string): Promise<boolean> {
  return (await db.prepare("SELECT 1 FROM emails WHERE id = ?1").bind(id).first()) !== null;
}

/** Lets the next sweep ring for mails whose doorbell could not be rung. */
export async function ringSoon(db: D1Database, ids: string[], now: number): Promise<void> {
  await db
    .prepare(
      "UPDATE emails SET ring_after = MAX(due_at, ?2) WHERE status IN ('scheduled', 'queued', 'pinned') AND id IN (SELECT value FROM json_each(?1))",
    )
    .bind(JSON.stringify(ids), now)
    .run();
}

export type StoredEmail = {
  id: string;
  tenant: string;
  status: EmailStatus;
  to: string;
  subject: string;
  generation: number;
  attempts: number;
  onUnknown: OnUnknown;
  dueAt: number;
  createdAt: number;
  updatedAt: number;
  sentAt: number | null;
  lastError: AttemptDetail | null;
  category: EmailCategory;
  tags: string[];
  traceId: string | null;
};

type EmailRow = Omit<StoredEmail, "lastError" | "tags"> & {
  lastError: string | null;
  tags: string;
};

const columns = `id, tenant, status, to_address AS "to", subject, generation, attempts, on_unknown AS onUnknown, due_at AS dueAt,
                 created_at AS createdAt, updated_at AS updatedAt, sent_at AS sentAt, last_error AS lastError, category, tags, trace_id AS traceId`;

function storedEmail(row: EmailRow): StoredEmail {
  const lastError = row.lastError === null ? null : (JSON.parse(row.lastError) as AttemptDetail);
  return { ...row, lastError, tags: JSON.parse(row.tags) as string[] };
}

/** `before`: the page begins after this mail. The others are null for all. */
export type EmailFilter = {
  tenant: string | null;
  status: "unknown" | "pinned" | "dead" | null;
  /** In any case. */
  to: string | null;
  before: Cursor | null;
};

/** As the indexes `emails_troubled_...` have it, word for word. */
export const isTroubled = "status IN ('unknown', 'pinned', 'dead')";

/** One page of mails, newest first. */
export async function listEmails(
  db: D1Database,
  { tenant, status, to, before }: EmailFilter,
  limit: number,
): Promise<StoredEmail[]> {
  // Each combination of filters has an index of its own. Those of a status are partial, so the
  // status and their condition stand in the text.
  const conditions = [
    "(created_at, id) < (?1, ?2)",
    tenant === null ? "?3 IS NULL" : "tenant = ?3",
    to === null ? "?5 IS NULL" : "LOWER(to_address) = ?5",
    ...(status === null ? [] : [`status = '${status}'`]),
    ...(status !== null && (tenant !== null || to !== null) ? [isTroubled] : []),
  ];
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM emails WHERE ${conditions.join(" AND ")} ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(
      before?.at ?? Number.MAX_SAFE_INTEGER,
      before?.id ?? "",
      tenant,
      limit,
      to?.toLowerCase() ?? null,
    )
    .all<EmailRow>();
  return results.map(storedEmail);
}

/** One mail with its timeline, oldest event first. */
export async function findEmail(
  db: D1Database,
  id: string,
): Promise<{ mail: StoredEmail; events: EmailEvent[] } | null> {
  const [mails, events] = await db.batch([
    db.prepare(`SELECT ${columns} FROM emails WHERE id = ?1`).bind(id),
    db
      .prepare(
        "SELECT type, at, generation, detail FROM email_events WHERE email_id = ?1 ORDER BY id",
      )
      .bind(id),
  ]);
  const row = mails?.results[0] as EmailRow | undefined;
  if (row === undefined) return null;
  const rows = (events?.results ?? []) as {
    type: string;
    at: number;
    generation: number;
    detail: string | null;
  }[];
  return { mail: storedEmail(row), events: rows.map(eventView) };
}

function eventView(row: {
  type: string;
  at: number;
  generation: number;
  detail: string | null;
}): EmailEvent {
  const event = { type: row.type, at: new Date(row.at).toISOString(), generation: row.generation };
  return row.detail === null ? event : { ...event, detail: JSON.parse(row.detail) as unknown };
}

/**
 * `queued` are all that wait, also for a retry or for a circuit breaker; `due` are those that could
 * go out now.
 */
export type EmailBacklog = {
  scheduled: number;
  pinned: number;
  queued: number;
  due: number;
  oldestDueAt: number | null;
  inFlight: number;
  unknown: number;
  dead: number;
};

/** Counts for `/health`. Also the proof that D1 answers. */
export async function emailBacklog(db: D1Database, now: number): Promise<EmailBacklog> {
  const row = await db
    .prepare(
      `SELECT (SELECT COUNT(*) FROM emails WHERE status = 'scheduled') AS scheduled,
              (SELECT COUNT(*) FROM emails WHERE status = 'queued') AS queued,
              (SELECT COUNT(*) FROM emails WHERE status = 'pinned') AS pinned,
              (SELECT COUNT(*) FROM emails WHERE status = 'queued' AND due_at <= ?1) AS due,
              (SELECT MIN(due_at) FROM emails WHERE status = 'queued' AND due_at <= ?1) AS oldestDueAt,
              (SELECT COUNT(*) FROM emails WHERE status IN ('claimed', 'sending')) AS inFlight,
              (SELECT COUNT(*) FROM emails WHERE status = 'unknown') AS unknown,
              (SELECT COUNT(*) FROM dead_letters) AS dead`,
    )
    .bind(now)
    .first<EmailBacklog>();
  return (
    row ?? {
      scheduled: 0,
      pinned: 0,
      queued: 0,
      due: 0,
      oldestDueAt: null,
      inFlight: 0,
      unknown: 0,
      dead: 0,
    }
  );
}

/** A mail for which the sweeper rings, or which it sends to be buried again. */
export type RungMail = { id: string; generation: number; rings: number };

/** Queued mails that are due and for which nobody rang lately, longest waiting first. */
export async function mailsToRing(db: D1Database, now: number, limit: number): Promise<RungMail[]> {
  const { results } = await db
    .prepare(
      "SELECT id, generation, rings FROM emails WHERE status IN ('queued', 'pinned') AND ring_after <= ?1 ORDER BY ring_after LIMIT ?2",
    )
    .bind(now, limit)
    .all<RungMail>();
  return results;
}

/**
 * Queued mails that are due, also those for which somebody rang just now, longest waiting first.
 */
export async function dueMails(db: D1Database, now: number, limit: number): Promise<RungMail[]> {
  const { results } = await db
    .prepare(
      "SELECT id, generation, rings FROM emails WHERE status IN ('queued', 'pinned') AND due_at <= ?1 ORDER BY due_at LIMIT ?2",
    )
    .bind(now, limit)
    .all<RungMail>();
  return results;
}

/**
 * Notes that the sweeper rang, so that a backlog is not rung for again each minute. A mail that
 * moved on since it was read has another time already, and keeps it.
 */
export async function recordRings(db: D1Database, mails: RungMail[], now: number): Promise<void> {
  if (mails.length === 0) return;
  const rung = mails.map(({ id, generation, rings }) => ({
    id,
    generation,
    rings: rings + 1,
    ringAfter: ringAfter(now, now, rings + 1),
  }));
  await db
    .prepare(
      `UPDATE emails AS e SET rings = r.value ->> 'rings', ring_after = r.value ->> 'ringAfter' FROM json_each(?1) AS r
       WHERE e.id = r.value ->> 'id' AND e.generation = r.value ->> 'generation' AND e.ring_after <= ?2 AND e.status IN ('queued', 'pinned', 'dead')`,
    )
    .bind(JSON.stringify(rung), now)
    .run();
}

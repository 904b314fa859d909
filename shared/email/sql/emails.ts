import { runBatch } from "../../database/batch.ts";
import type { Cursor } from "../../http/lists.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import type { EmailEvent, EmailMessage } from "../schemas.ts";
import {
  fromJson,
  insertRow,
  pick,
  selectionOf,
  toJson,
  type EmailRow,
  type RowOf,
  type SenderField,
} from "./columns.ts";

/** SQL of accepting emails and of reading them. */

/** `traceId`: of what brought it, if that is known. */
export type NewEmail = EmailMessage & {
  id: string;
  tenant: string;
  from: string;
  traceId?: string | null;
};

/** What an email is that is accepted at that time. */
export function acceptedAs(
  { sendAt }: Pick<EmailMessage, "sendAt">,
  acceptedAt: number,
): "scheduled" | "queued" {
  return sendAt !== undefined && sendAt > acceptedAt ? "scheduled" : "queued";
}

/**
 * The statements that accept an email, for a batch of the caller's: they are committed or rolled
 * back with the caller's own.
 */
export function insertEmail(db: D1Database, email: NewEmail, now: number): D1PreparedStatement[] {
  const dueAt = Math.max(email.sendAt ?? now, now);
  const status = acceptedAs(email, now);
  const { attachments } = email;
  const row: EmailRow<SenderField | ManagedField> = {
    id: email.id,
    tenant: email.tenant,
    traceId: email.traceId ?? null,
    from: email.from,
    to: email.to,
    replyTo: email.replyTo ?? null,
    subject: email.subject,
    html: email.html ?? null,
    text: email.text ?? null,
    attachments: attachments === undefined ? null : toJson(attachments),
    onUnknown: email.onUnknown,
    category: email.category ?? "transactional",
    tags: toJson(email.tags ?? []),
    status,
    dueAt,
    ringAfter: nextNotificationAt(dueAt, now, 0),
    generationAt: now,
    createdAt: now,
    updatedAt: now,
  };
  return [
    insertRow(db, row),
    db
      .prepare("INSERT INTO email_events (email_id, generation, type, at) VALUES (?1, 1, ?3, ?2)")
      .bind(email.id, now, status),
  ];
}

/** What a new row has beside what its sender decides. The other columns have defaults. */
type ManagedField =
  | "id"
  | "tenant"
  | "traceId"
  | "status"
  | "dueAt"
  | "ringAfter"
  | "generationAt"
  | "createdAt"
  | "updatedAt";

/** Whether an accept whose reply was lost reached the database. */
export async function emailExists(db: D1Database, id: string): Promise<boolean> {
  return (await db.prepare("SELECT 1 FROM emails WHERE id = ?1").bind(id).first()) !== null;
}

const stored = pick(
  "id",
  "tenant",
  "status",
  "to",
  "subject",
  "generation",
  "attempts",
  "onUnknown",
  "dueAt",
  "createdAt",
  "updatedAt",
  "sentAt",
  "lastError",
  "category",
  "tags",
  "traceId",
);
const storedSelection = selectionOf(stored);
type StoredRow = RowOf<typeof stored>;

export type StoredEmail = Omit<StoredRow, "lastError" | "tags"> & {
  lastError: AttemptDetail | null;
  tags: string[];
};

function storedEmail(row: StoredRow): StoredEmail {
  return {
    ...row,
    lastError: row.lastError === null ? null : fromJson(row.lastError),
    tags: fromJson(row.tags),
  };
}

/** `before`: the page begins after this email. The others are null for all. */
export type EmailFilter = {
  tenant: string | null;
  status: "unknown" | "pinned" | "dead" | null;
  /** In any case. */
  to: string | null;
  before: Cursor | null;
};

/** As the indexes `emails_troubled_...` have it, word for word. */
export const isTroubled = "status IN ('unknown', 'pinned', 'dead')";

/** One page of emails, newest first. */
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
  const reply = await db
    .prepare(
      `SELECT ${storedSelection.list()} FROM emails WHERE ${conditions.join(" AND ")}
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(
      before?.at ?? Number.MAX_SAFE_INTEGER,
      before?.id ?? "",
      tenant,
      limit,
      to?.toLowerCase() ?? null,
    )
    .all();
  return storedSelection.rows(reply).map(storedEmail);
}

type EventRow = { type: string; at: number; generation: number; detail: string | null };

/** One email with its timeline, oldest event first. */
export async function findEmail(
  db: D1Database,
  id: string,
): Promise<{ email: StoredEmail; events: EmailEvent[] } | null> {
  const replies = await runBatch(db, {
    email: db.prepare(`SELECT ${storedSelection.list()} FROM emails WHERE id = ?1`).bind(id),
    events: db
      .prepare(
        "SELECT type, at, generation, detail FROM email_events WHERE email_id = ?1 ORDER BY id",
      )
      .bind(id),
  });
  const [row] = storedSelection.rows(replies.email);
  if (row === undefined) return null;
  return {
    email: storedEmail(row),
    events: (replies.events.results as EventRow[]).map(eventView),
  };
}

function eventView(row: EventRow): EmailEvent {
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
              (SELECT MIN(due_at) FROM emails
               WHERE status = 'queued' AND due_at <= ?1) AS oldestDueAt,
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

import { runBatch } from "../../database/batch.ts";
import { countUpTo } from "../../database/counted.ts";
import type { CustomHeaders } from "../rules/custom-headers.ts";
import type { EmailStatus } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import {
  recipientStateOf,
  shownStatus,
  type RecipientState,
  type StoredRecipient,
} from "../rules/recipients.ts";
import type { EmailEvent } from "../schemas.ts";
import { fromJson, pick, selectionOf, type Json } from "./columns.ts";
import { recipientsColumn, storedRecipients } from "./recipients.ts";

/** SQL of reading emails. */

const picked = pick(
  "id",
  "tenant",
  "status",
  "from",
  "to",
  "replyTo",
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
  "waitClass",
  "waitingSince",
  "waits",
  "senderId",
  "transport",
  "test",
);
const storedFields: typeof picked & { recipients: ReturnType<typeof recipientsColumn> } = {
  ...picked,
  recipients: recipientsColumn("emails"),
};
const storedSelection = selectionOf(storedFields);
export type StoredEmailRow = ReturnType<typeof storedSelection.rows>[number];

type ShownRecipient = Pick<StoredRecipient, "kind" | "name" | "address" | "detail"> & {
  state: RecipientState;
};

/** `status`: as it is shown, see `rules/recipients.ts`. */
export type StoredEmail = Omit<StoredEmailRow, "lastError" | "tags" | "recipients"> & {
  lastError: AttemptDetail | null;
  tags: string[];
  recipients: ShownRecipient[];
};

/** The content of an email, until it is deleted. Of its files their names. */
export type StoredContent = {
  html: string | null;
  text: string | null;
  headers: CustomHeaders;
  attachments: { filename: string; contentType: string; contentId: string | null }[];
};

/** Of an email with several recipients it follows from theirs. */
export function shownOf(row: Pick<StoredEmailRow, "status" | "to" | "recipients">): {
  status: EmailStatus;
  recipients: ShownRecipient[];
} {
  const found = storedRecipients(row.recipients, row.to);
  const recipients = found.map(({ kind, name, address, detail, state }) => ({
    kind,
    name,
    address,
    detail,
    state: recipientStateOf(state, row.status, found.length === 1),
  }));
  const states = recipients.map(({ state }) => state);
  return { status: shownStatus(row.status, states), recipients };
}

export function storedEmail(row: StoredEmailRow): StoredEmail {
  return {
    ...row,
    ...shownOf(row),
    lastError: row.lastError === null ? null : fromJson(row.lastError),
    tags: fromJson(row.tags),
  };
}

type EventRow = { type: string; at: number; generation: number; detail: string | null };

/** An alias would stand before the expression of the recipients, too. */
export const storedListOf = (table: string): string =>
  `${selectionOf(picked).list(table)}, ${recipientsColumn(table)} AS recipients`;

type ContentRow = Omit<StoredContent, "headers" | "attachments"> & {
  headers: Json<CustomHeaders> | null;
  attachments: Json<StoredContent["attachments"]>;
};

const selectContent = `SELECT c.html, c.text, c.headers,
  (SELECT json_group_array(json_object(
     'filename', COALESCE(a.value ->> 'filename', f.filename),
     'contentType', COALESCE(a.value ->> 'contentType', f.content_type),
     'contentId', a.value ->> 'contentId'))
   FROM json_each(c.attachments) AS a
   LEFT JOIN attachments AS f ON f.id = a.value ->> 'id') AS attachments
  FROM email_contents AS c WHERE c.email_id = ?1`;

/**
 * One email with its timeline, oldest event first.
 *
 * @returns `content`: null once it is deleted, and if it is not wanted
 */
export async function findEmail(
  db: D1Database,
  id: string,
  withContent = false,
): Promise<{ email: StoredEmail; events: EmailEvent[]; content: StoredContent | null } | null> {
  const replies = await runBatch(db, {
    email: db.prepare(`SELECT ${storedSelection.list()} FROM emails WHERE id = ?1`).bind(id),
    events: db
      .prepare(
        "SELECT type, at, generation, detail FROM email_events WHERE email_id = ?1 ORDER BY n",
      )
      .bind(id),
    content: withContent ? [db.prepare(selectContent).bind(id)] : [],
  });
  const [row] = storedSelection.rows(replies.email);
  if (row === undefined) return null;
  return {
    email: storedEmail(row),
    events: (replies.events.results as EventRow[]).map(eventFrom),
    content: contentFrom(replies.content[0]?.results[0] as ContentRow | undefined),
  };
}

function contentFrom(row: ContentRow | undefined): StoredContent | null {
  if (row === undefined) return null;
  const headers = row.headers === null ? {} : fromJson(row.headers);
  return { ...row, headers, attachments: fromJson(row.attachments) };
}

function eventFrom(row: EventRow): EmailEvent {
  const event = { type: row.type, at: new Date(row.at).toISOString(), generation: row.generation };
  return row.detail === null ? event : { ...event, detail: JSON.parse(row.detail) as unknown };
}

/**
 * `queued` are all that wait, also for a retry or for a circuit breaker; `due` are those that could
 * go out now. A count is at most one more than `COUNTED_UP_TO`.
 */
export type EmailBacklog = {
  scheduled: number;
  pinned: number;
  queued: number;
  due: number;
  oldestDueAt: number | null;
  /** When the next of the `queued` that are not due is tried. */
  nextDueAt: number | null;
  inFlight: number;
  unknown: number;
  dead: number;
};

/** Counts for `/health`. Also the proof that D1 answers. */
export async function emailBacklog(db: D1Database, now: number): Promise<EmailBacklog> {
  const row = await db
    .prepare(
      `SELECT ${countUpTo("emails WHERE status = 'scheduled'")} AS scheduled,
              ${countUpTo("emails WHERE status = 'queued'")} AS queued,
              ${countUpTo("emails WHERE status = 'pinned'")} AS pinned,
              ${countUpTo("emails WHERE status = 'queued' AND due_at <= ?1")} AS due,
              (SELECT MIN(due_at) FROM emails
               WHERE status = 'queued' AND due_at <= ?1) AS oldestDueAt,
              (SELECT MIN(due_at) FROM emails
               WHERE status = 'queued' AND due_at > ?1) AS nextDueAt,
              ${countUpTo("emails WHERE status IN ('claimed', 'sending')")} AS inFlight,
              ${countUpTo("emails WHERE status = 'unknown'")} AS unknown,
              ${countUpTo("dead_letters")} AS dead`,
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
      nextDueAt: null,
      inFlight: 0,
      unknown: 0,
      dead: 0,
    }
  );
}

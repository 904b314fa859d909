import { runBatch } from "../../database/batch.ts";
import { countUpTo } from "../../database/counted.ts";
import type { Cursor } from "../../http/lists.ts";
import type { CustomHeaders } from "../rules/custom-headers.ts";
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
  "test",
);
const storedFields: typeof picked & { recipients: ReturnType<typeof recipientsColumn> } = {
  ...picked,
  recipients: recipientsColumn("emails"),
};
const storedSelection = selectionOf(storedFields);
type StoredRow = ReturnType<typeof storedSelection.rows>[number];

type ShownRecipient = Pick<StoredRecipient, "kind" | "name" | "address" | "detail"> & {
  state: RecipientState;
};

/** `status`: as it is shown, see `rules/recipients.ts`. */
export type StoredEmail = Omit<StoredRow, "lastError" | "tags" | "recipients"> & {
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

function storedEmail(row: StoredRow): StoredEmail {
  const found = storedRecipients(row.recipients, row.to);
  const recipients = found.map(({ kind, name, address, detail, state }) => ({
    kind,
    name,
    address,
    detail,
    state: recipientStateOf(state, row.status, found.length === 1),
  }));
  return {
    ...row,
    recipients,
    status: shownStatus(
      row.status,
      recipients.map(({ state }) => state),
    ),
    lastError: row.lastError === null ? null : fromJson(row.lastError),
    tags: fromJson(row.tags),
  };
}

/** `before`: the page begins after this email. The others are null for all. */
export type EmailFilter = {
  tenant: string | null;
  /** `scheduled` and `queued`: only with a tenant, and without a recipient. */
  status: "scheduled" | "queued" | "unknown" | "pinned" | "dead" | null;
  /** In any case. */
  to: string | null;
  before: Cursor | null;
};

/** As the index `emails_unsent_by_tenant` has it, word for word. */
const isUnsent = "status IN ('scheduled', 'queued')";

/** As the index `emails_troubled_by_tenant` has it, word for word. */
const isTroubled = "status IN ('unknown', 'pinned', 'dead')";

/** One page of emails, newest first. */
export async function findEmails(
  db: D1Database,
  filter: EmailFilter,
  limit: number,
): Promise<StoredEmail[]> {
  const { tenant, to, before } = filter;
  const reply = await db
    .prepare(to === null ? selectPage(filter) : selectPageOfRecipient(filter))
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

// Each combination of filters has an index of its own. Those of a status are partial, so the status
// and their condition stand in the text.

function selectPage({ tenant, status }: EmailFilter): string {
  const conditions = [
    "(created_at, id) < (?1, ?2)",
    tenant === null ? "?3 IS NULL" : "tenant = ?3",
    "?5 IS NULL",
    ...(status === null ? [] : [`status = '${status}'`]),
    ...(status === "scheduled" || status === "queued"
      ? [isUnsent]
      : status !== null && tenant !== null
        ? [isTroubled]
        : []),
  ];
  return `SELECT ${storedSelection.list()} FROM emails WHERE ${conditions.join(" AND ")}
    ORDER BY created_at DESC, id DESC LIMIT ?4`;
}

/** SQLite keeps to the order of a CROSS JOIN: the index of recipients has the order of the list. */
function selectPageOfRecipient({ tenant, status }: EmailFilter): string {
  const conditions = [
    "LOWER(r.address) = ?5",
    "(r.created_at, r.email_id) < (?1, ?2)",
    tenant === null ? "?3 IS NULL" : "r.tenant = ?3",
    ...(status === null ? [] : [`r.trouble = '${status}'`, "r.trouble IS NOT NULL"]),
  ];
  return `SELECT ${listOf("e")} FROM email_recipients AS r
    CROSS JOIN emails AS e ON e.id = r.email_id WHERE ${conditions.join(" AND ")}
    ORDER BY r.created_at DESC, r.email_id DESC LIMIT ?4`;
}

type EventRow = { type: string; at: number; generation: number; detail: string | null };

/** An alias would stand before the expression of the recipients, too. */
const listOf = (table: string): string =>
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

import { mailboxesToColumn } from "../rules/mailboxes.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import { countPlaceholders } from "../rules/unsubscribe-placeholder.ts";
import { isNamed, type EmailMessage } from "../schemas.ts";
import {
  emailColumns,
  NAMING_FORMAT,
  PLAIN_FORMAT,
  RECIPIENTS_FORMAT,
  FORMAT,
  toJson,
  type EmailField,
  type EmailRow,
  type SenderField,
} from "./columns.ts";
import { nextEvent } from "./events.ts";

/**
 * SQL of accepting emails. The statements are the same for one email and for many: `?1` is a JSON
 * array with a row for each. Large contents are bound one by one: each may be as large as a row of
 * D1.
 */

/** `traceId`: of what brought it, if that is known. `test`: a key for tests sent it. */
export type NewEmail = EmailMessage & {
  id: string;
  tenant: string;
  from: string;
  traceId?: string | null;
  test?: boolean;
};

/** What an email is that is accepted at that time. */
export function acceptedAs(
  { sendAt }: Pick<EmailMessage, "sendAt">,
  acceptedAt: number,
): "scheduled" | "queued" {
  return sendAt !== undefined && sendAt > acceptedAt ? "scheduled" : "queued";
}

/** What a new row has beside what its sender decides. The other columns have defaults. */
type ManagedField =
  | "id"
  | "tenant"
  | "traceId"
  | "format"
  | "test"
  | "status"
  | "dueAt"
  | "sendAt"
  | "textFromHtml"
  | "notifyAfter"
  | "generationAt"
  | "createdAt"
  | "updatedAt";
type NewRow = EmailRow<SenderField | ManagedField>;

/** The row of `emails` of a new email. */
export function newRow(email: NewEmail, now: number): NewRow {
  const dueAt = Math.max(email.sendAt ?? now, now);
  return {
    id: email.id,
    tenant: email.tenant,
    traceId: email.traceId ?? null,
    format: formatOf(email),
    test: email.test === true ? 1 : 0,
    from: email.from,
    to: email.to,
    replyTo: email.replyTo === undefined ? null : mailboxesToColumn(email.replyTo),
    subject: email.subject,
    onUnknown: email.onUnknown,
    category: email.category ?? "transactional",
    tags: toJson(email.tags ?? []),
    status: acceptedAs(email, now),
    dueAt,
    sendAt: email.sendAt ?? null,
    textFromHtml: 1,
    notifyAfter: nextNotificationAt(dueAt, now, 0),
    generationAt: now,
    createdAt: now,
    updatedAt: now,
  };
}

/** A new email as JSON for the statements: its row, and its recipients. */
export function newRowWithRecipients(
  email: NewEmail,
  now: number,
): NewRow & { recipients: object } {
  return { ...newRow(email, now), recipients: email.recipients ?? [{ kind: "to" }] };
}

/** The release before would send it without what it does not know. */
function formatOf(email: NewEmail): number {
  const { recipients = [], replyTo = [], headers, attachments = [], test } = email;
  if (test === true || countPlaceholders(email) > 0) return FORMAT;
  if (attachments.some(isNamed)) return NAMING_FORMAT;
  const isPlain =
    recipients.length <= 1 &&
    recipients.every(({ name }) => name === "") &&
    replyTo.length <= 1 &&
    replyTo.every(({ name }) => name === "") &&
    headers === undefined &&
    attachments.every(({ contentId }) => contentId === undefined);
  return isPlain ? PLAIN_FORMAT : RECIPIENTS_FORMAT;
}

/** SQL over a row: its recipients. A row that names none has the plain one of its head. */
const recipientsOf = (row: string): string =>
  `COALESCE(${row}.value -> 'recipients', '[{"kind":"to"}]')`;

/** The statements that insert emails, in the order of a batch. */
export type EmailInserts = {
  heads: D1PreparedStatement;
  recipients: D1PreparedStatement;
  events: D1PreparedStatement;
  contents: D1PreparedStatement[];
};

/** Which rows of `?1` are accepted. `to`: SQL for the recipient, instead of the row's own. */
type Condition = {
  to?: string;
  from?: string;
  where?: string;
  values?: EmailSource["values"];
  /** SQL: how many of them at most, the first ones. */
  limit?: string;
  /** SQL over a recipient `r` of `m`: its state. */
  state?: string;
  /** SQL of columns that a head has instead of the row's own, or beside them. */
  columns?: Readonly<Record<string, string>>;
};

/**
 * @param rows JSON of their `newRowWithRecipients`, in any order, with further fields for the
 *   condition
 * @param condition SQL over a row `m` of `json_each(?1)`. Who is not inserted by it gets no
 *   recipient, event or content
 */
export function insertEmails(
  db: D1Database,
  emails: readonly NewEmail[],
  rows: string,
  condition: Condition = {},
): EmailInserts {
  const { to, from = "", where = "TRUE", values: bound = [], limit, state = "NULL" } = condition;
  const fields = Object.keys(newRowFields) as (keyof NewRow)[];
  const head: Record<string, string> = {
    ...Object.fromEntries(fields.map((field) => [emailColumns[field], `m.value ->> '${field}'`])),
    ...(to !== undefined && { [emailColumns.to]: to }),
    ...condition.columns,
  };
  const inserted = "json_each(?1) AS m JOIN emails AS e ON e.id = m.value ->> 'id'";
  return {
    heads: db
      .prepare(
        `INSERT INTO emails (${Object.keys(head).join(", ")})
         SELECT ${Object.values(head).join(", ")} FROM json_each(?1) AS m ${from}
         WHERE ${where} ${limit === undefined ? "" : `ORDER BY m.key LIMIT ${limit}`}`,
      )
      .bind(rows, ...bound),
    recipients: db
      .prepare(
        `INSERT INTO email_recipients
           (email_id, n, kind, address, name, tenant, created_at, status)
         SELECT e.id, r.key + 1, r.value ->> 'kind',
           COALESCE(r.value ->> 'address', e.to_address), NULLIF(r.value ->> 'name', ''),
           e.tenant, e.created_at, ${state}
         FROM ${inserted} CROSS JOIN json_each(${recipientsOf("m")}) AS r`,
      )
      .bind(rows),
    events: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at)
         SELECT e.id, ${nextEvent("e.id")}, e.generation, e.status, e.created_at FROM ${inserted}`,
      )
      .bind(rows),
    contents: insertContents(db, emails),
  };
}

/**
 * The most characters of a content that is bound with others: D1 limits the statements of an
 * invocation.
 */
const MAX_SMALL = 16_384;

const isSmall = ({ html = "", text = "", attachments, headers }: NewEmail): boolean =>
  attachments === undefined && headers === undefined && html.length + text.length <= MAX_SMALL;

function insertContents(db: D1Database, emails: readonly NewEmail[]): D1PreparedStatement[] {
  const small = emails.length > 1 ? emails.filter(isSmall) : [];
  const others = emails.filter((email) => !small.includes(email));
  return [
    ...(small.length === 0 ? [] : [insertSmallContents(db, small)]),
    ...others.map(({ id, html, text, attachments, headers }) =>
      db
        .prepare(
          `INSERT INTO email_contents (email_id, html, text, attachments, headers)
           SELECT id, ?2, ?3, ?4, ?5 FROM emails WHERE id = ?1`,
        )
        .bind(
          id,
          html ?? null,
          text ?? null,
          attachments === undefined ? null : toJson(attachments),
          headers === undefined ? null : toJson(headers),
        ),
    ),
  ];
}

function insertSmallContents(db: D1Database, emails: readonly NewEmail[]): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO email_contents (email_id, html, text)
       SELECT e.id, m.value ->> 'html', m.value ->> 'text'
       FROM json_each(?1) AS m JOIN emails AS e ON e.id = m.value ->> 'id'`,
    )
    .bind(JSON.stringify(emails.map(({ id, html, text }) => ({ id, html, text }))));
}

const newRowFields = {
  id: true,
  tenant: true,
  traceId: true,
  format: true,
  test: true,
  from: true,
  to: true,
  replyTo: true,
  subject: true,
  onUnknown: true,
  category: true,
  tags: true,
  status: true,
  dueAt: true,
  sendAt: true,
  textFromHtml: true,
  notifyAfter: true,
  generationAt: true,
  createdAt: true,
  updatedAt: true,
} satisfies Record<keyof NewRow & EmailField, true>;

/**
 * For an email in the batch of a write with a condition: the row that it is inserted for. `to`: SQL
 * for the recipient. `from`: SQL that selects one row or none, with `values` as `$1`, `$2`, ...
 */
export type EmailSource = { to: string; from: string; values: (string | number | null)[] };

/**
 * The statements that accept an email, for a batch of the caller's: they are committed or rolled
 * back with the caller's own. The first one inserts the email.
 *
 * @param source the row that it is accepted for, which has the recipient; null for `email.to`
 */
export function insertEmail(
  db: D1Database,
  email: NewEmail,
  now: number,
  source: EmailSource | null = null,
): D1PreparedStatement[] {
  const rows = JSON.stringify([newRowWithRecipients(email, now)]);
  const { heads, recipients, events, contents } = insertEmails(
    db,
    [email],
    rows,
    source === null ? {} : conditionOf(source),
  );
  return [heads, recipients, events, ...contents];
}

/** The values of the source stand behind the rows. */
const conditionOf = ({ to, from, values }: EmailSource): Condition => ({
  to: "s.address",
  from: `CROSS JOIN (SELECT ${to} AS address
    FROM ${from.replaceAll(/\$(\d+)/g, (_, n) => `?${1 + Number(n)}`)}) AS s`,
  values,
});

import type { RecipientKind } from "../rules/mailboxes.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import type { StoredRecipient, StoredState } from "../rules/recipients.ts";
import type { Column, Json } from "./columns.ts";
import { fromJson } from "./columns.ts";
import { isSuppressedFor } from "./suppressed.ts";

/** SQL of the recipients of emails, beside their heads. */

/** The first format in which an email may have more than one plain recipient. */
export const WITH_RECIPIENTS = 3;

type StoredJson = {
  n: number;
  kind: RecipientKind;
  name: string | null;
  address: string;
  state: StoredState;
  detail: Json<AttemptDetail> | null;
}[];

type RecipientsColumn = Column<Json<StoredJson> | null>;

/**
 * A column of a selection: the recipients of an email as JSON; NULL if there is only the plain
 * recipient that its row names.
 *
 * @param emails the name of the table
 */
export const recipientsColumn = (emails: string): RecipientsColumn =>
  `CASE WHEN ${emails}.format >= ${WITH_RECIPIENTS} THEN
     (SELECT json_group_array(json_object('n', r.n, 'kind', r.kind, 'name', r.name,
        'address', r.address, 'state', r.status, 'detail', r.detail))
      FROM email_recipients AS r WHERE r.email_id = ${emails}.id) END` as RecipientsColumn;

/** @param to the plain recipient of the row */
export function storedRecipients(json: Json<StoredJson> | null, to: string): StoredRecipient[] {
  if (json === null)
    return [{ n: 1, kind: "to", name: "", address: to, state: null, detail: null }];
  return fromJson(json)
    .map(({ name, detail, ...one }) => ({
      ...one,
      name: name ?? "",
      detail: detail === null ? null : fromJson(detail),
    }))
    .toSorted((a, b) => a.n - b.n);
}

/** SQL over a recipient `r`: it is handed over next. */
const isOpen = "(r.status IS NULL OR r.status = 'pending')";

/** SQL over a row `e` of `emails` and its recipient `r`: that one is suppressed. */
const isSuppressed = isSuppressedFor({
  address: "r.address",
  tenant: "e.tenant",
  category: "e.category",
});

/** SQL over a row `e` of `emails`: no recipient is left that is not suppressed. */
export const hasNobodyLeft = `EXISTS (SELECT 1 FROM email_recipients WHERE email_id = e.id)
  AND NOT EXISTS (SELECT 1 FROM email_recipients AS r
  WHERE r.email_id = e.id AND ${isOpen} AND NOT ${isSuppressed})`;

/** SQL over a row `e` of `emails`: a recipient that is handed over next is suppressed. */
export const someAreSuppressed = `EXISTS (SELECT 1 FROM email_recipients AS r
  WHERE r.email_id = e.id AND ${isOpen} AND ${isSuppressed})`;

/**
 * Leaves out the suppressed recipients of emails that others still get. Such an email has another
 * set of recipients, so it has another part.
 *
 * @param emails SQL that joins rows `e` of `emails`, with `first` as `?1`
 */
export function leaveOutSuppressed(
  db: D1Database,
  emails: string,
  first: string,
  detail: string,
): D1PreparedStatement[] {
  // The plus keeps SQLite from the index of all that is queued.
  const queued = `${emails} AND e.format >= ${WITH_RECIPIENTS} AND +e.status = 'queued'`;
  return [
    db
      .prepare(
        `UPDATE emails SET part = part + 1
         WHERE id IN (SELECT e.id FROM ${queued} AND ${someAreSuppressed})`,
      )
      .bind(first),
    db
      .prepare(
        `UPDATE email_recipients SET status = 'suppressed', detail = ?2
         FROM (SELECT r.email_id, r.n FROM ${queued}
               JOIN email_recipients AS r ON r.email_id = e.id
               WHERE ${isOpen} AND ${isSuppressed}) AS gone
         WHERE email_recipients.email_id = gone.email_id AND email_recipients.n = gone.n`,
      )
      .bind(first, detail),
  ];
}

/**
 * The statement that records outcomes of recipients, before the one that changes their emails.
 *
 * @param matching SQL over a row `e` of `emails` and a row `o` of `?1`, with `values`
 */
export function changeRecipients(
  db: D1Database,
  matching: string,
  values: readonly (string | number)[],
): D1PreparedStatement {
  // The time is bound for the other statements of the batch.
  return db
    .prepare(
      `UPDATE email_recipients SET status = c.state, detail = c.detail
       FROM (SELECT e.id AS id, r.value ->> 'n' AS n, r.value ->> 'state' AS state,
               r.value ->> 'detail' AS detail
             FROM json_each(?1) AS o CROSS JOIN emails AS e ON ?2 > 0 AND ${matching}
             CROSS JOIN json_each(o.value -> 'recipients') AS r) AS c
       WHERE email_recipients.email_id = c.id AND email_recipients.n = c.n`,
    )
    .bind(...values);
}

/** What a report may follow, in its order: two that come at the same time end as in turn. */
const REPORTED = "accepted delivered bounced complained";

/**
 * The statement that records what a provider reported about recipients of an email.
 *
 * @param guard SQL over `emails`, with `values`; the changes are the fourth
 */
export function reportRecipients(
  db: D1Database,
  guard: string,
  values: readonly [string, number, string, string],
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE email_recipients SET status = c.value ->> 'state', detail = c.value ->> 'detail'
       FROM emails CROSS JOIN json_each(?4) AS c
       WHERE ${guard} AND email_recipients.email_id = emails.id
         AND email_recipients.n = c.value ->> 'n'
         AND (email_recipients.status IS NULL OR email_recipients.status = 'pending'
           OR INSTR('${REPORTED}', email_recipients.status)
              BETWEEN 1 AND INSTR('${REPORTED}', c.value ->> 'state') - 1)`,
    )
    .bind(...values);
}

/** SQL over `emails`: one of its recipients has that state. */
export const hasState = (state: Exclude<StoredState, null>): string =>
  `EXISTS (SELECT 1 FROM email_recipients AS r
     WHERE r.email_id = emails.id AND r.status = '${state}')`;

/**
 * The recipients of an email whose outcome is open have it. That is stored where others have states
 * of their own.
 *
 * @param guard SQL over `emails`
 */
export function acceptOpen(db: D1Database, id: string, guard: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE email_recipients SET status = 'accepted'
       WHERE email_id = ?1 AND status IS NULL
         AND EXISTS (SELECT 1 FROM emails WHERE id = ?1 AND ${guard})
         AND EXISTS (SELECT 1 FROM email_recipients AS r
                     WHERE r.email_id = ?1 AND r.status IS NOT NULL)`,
    )
    .bind(id);
}

/** SQL over `emails`: the addresses of a dead email that do not have it, as JSON. */
export const addressesWithout = (emails: string): string =>
  `CASE WHEN ${emails}.format >= ${WITH_RECIPIENTS} THEN
     (SELECT json_group_array(r.address) FROM email_recipients AS r
      WHERE r.email_id = ${emails}.id AND (${isOpen} OR r.status = 'refused')) END`;

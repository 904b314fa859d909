import { runBatch } from "../../database/batch.ts";
import {
  contentsToDelete,
  cursorOf,
  emailsToDelete,
  type EndedAs,
  type WithContent,
} from "./retention.ts";

/**
 * SQL of emails that are exported before they are deleted: what a page has, and its deletion. Only
 * what was read is deleted, and no email that has changed since.
 */

/** An email of a page. `at`: since when it is over. `bytes`: of its content. */
export type EndedEmail = { id: string; at: number; updatedAt: number; bytes: number };

const bytes = `COALESCE((SELECT OCTET_LENGTH(html) + COALESCE(OCTET_LENGTH(text), 0)
    + COALESCE(OCTET_LENGTH(attachments), 0)
  FROM (SELECT COALESCE(html, '') AS html, text, attachments FROM email_contents
        WHERE email_id = emails.id)), 0) AS bytes`;

/** A row of D1 with all its columns, also those of a later release. */
type Row = Record<string, unknown>;
export type ExportedEmail = { email: Row; recipients: Row[]; events: Row[]; content: Row | null };

/** The next emails whose content is to be deleted. */
export async function endedWithContent(
  db: D1Database,
  ended: WithContent,
  until: number,
  limit: number,
): Promise<EndedEmail[]> {
  const { at, from } = contentsToDelete[ended];
  const { results } = await db
    .prepare(
      `SELECT id, ${at} AS at, updated_at AS updatedAt, ${bytes} FROM ${from}
       ORDER BY ${at}, id LIMIT ?3`,
    )
    .bind(cursorOf(ended), until, limit)
    .all<EndedEmail>();
  return results;
}

/** The next emails that are to be deleted. */
export async function endedEmails(
  db: D1Database,
  ended: EndedAs,
  until: number,
  limit: number,
): Promise<EndedEmail[]> {
  const { where, at } = emailsToDelete[ended];
  const { results } = await db
    .prepare(
      `SELECT id, ${at} AS at, updated_at AS updatedAt, ${bytes} FROM emails
       WHERE ${where} ORDER BY ${at}, id LIMIT ?2`,
    )
    .bind(until, limit)
    .all<EndedEmail>();
  return results;
}

const asIds = (emails: readonly EndedEmail[]): string => JSON.stringify(emails.map(({ id }) => id));
const ofPage = "IN (SELECT value FROM json_each(?1))";

/** The contents of emails. One whose content is gone has none. */
export async function contentsOf(db: D1Database, emails: readonly EndedEmail[]): Promise<Row[]> {
  const { results } = await db
    .prepare(`SELECT * FROM email_contents WHERE email_id ${ofPage}`)
    .bind(asIds(emails))
    .all<Row>();
  return results;
}

/** Emails with all that depends on them. */
export async function wholeEmails(
  db: D1Database,
  emails: readonly EndedEmail[],
): Promise<ExportedEmail[]> {
  const ids = asIds(emails);
  const select = (from: string): D1PreparedStatement =>
    db.prepare(`SELECT * FROM ${from} ${ofPage}`).bind(ids);
  const found = await runBatch(db, {
    heads: select("emails WHERE id"),
    recipients: select("email_recipients WHERE email_id"),
    events: select("email_events WHERE email_id"),
    contents: select("email_contents WHERE email_id"),
  });
  const byEmail = ({ results }: D1Result): Map<unknown, Row[]> =>
    Map.groupBy(results as Row[], (row) => row["email_id"]);
  const [recipients, events, contents] = [
    byEmail(found.recipients),
    byEmail(found.events),
    byEmail(found.contents),
  ];
  return (found.heads.results as Row[]).map((email) => ({
    email,
    recipients: recipients.get(email["id"]) ?? [],
    events: events.get(email["id"]) ?? [],
    content: contents.get(email["id"])?.[0] ?? null,
  }));
}

/** Deletes the contents of a page, and moves the cursor past it in the same batch. */
export async function deleteContentsOf(
  db: D1Database,
  ended: WithContent,
  emails: readonly EndedEmail[],
): Promise<number> {
  const last = emails.at(-1);
  if (last === undefined) return 0;
  await db.batch([
    db.prepare(`DELETE FROM email_contents WHERE email_id ${ofPage}`).bind(asIds(emails)),
    db
      .prepare("UPDATE task_cursors SET at = ?2, id = ?3 WHERE name = ?1 AND (at, id) < (?2, ?3)")
      .bind(cursorOf(ended), last.at, last.id),
  ]);
  return emails.length;
}

/** Deletes the emails of a page that have not changed since. @returns how many */
export async function deleteEmails(db: D1Database, emails: readonly EndedEmail[]): Promise<number> {
  const { results } = await db
    .prepare(
      `DELETE FROM emails WHERE id IN (
         SELECT e.id FROM json_each(?1) AS p CROSS JOIN emails AS e
           ON e.id = p.value ->> 'id' AND e.updated_at = p.value ->> 'updatedAt') RETURNING id`,
    )
    .bind(JSON.stringify(emails))
    .all();
  return results.length;
}

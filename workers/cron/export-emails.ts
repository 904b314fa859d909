import {
  contentsOf,
  deleteContentsOf,
  deleteEmails,
  endedEmails,
  endedWithContent,
  wholeEmails,
  type EndedEmail,
} from "../../shared/email/sql/export.ts";
import type { EndedAs, WithContent } from "../../shared/email/sql/retention.ts";
import { dayOf } from "./dates.ts";
import { exportPages, type Export } from "./export.ts";
import { fitting } from "./rules/export.ts";

/** Emails and contents that are exported before they are deleted. */

/** What ended before a time, and how many at most. */
type Part = { until: number; limit: number };

/** @returns of how many emails the contents were exported and deleted */
export async function exportContents(
  db: D1Database,
  write: Export,
  ended: WithContent,
  { until, limit }: Part,
): Promise<number> {
  return await exportPages(write, limit, async (atMost) => {
    const emails = fitting(await endedWithContent(db, ended, until, atMost));
    const first = namedBy(emails);
    if (first === null) return null;
    const rows = await contentsOf(db, emails);
    const remove = () => deleteContentsOf(db, ended, emails);
    return { kind: "email-contents", ...first, rows, remove };
  });
}

/** @returns how many emails were exported and deleted, with their recipients and events */
export async function exportEmails(
  db: D1Database,
  write: Export,
  ended: EndedAs,
  { until, limit }: Part,
): Promise<number> {
  return await exportPages(write, limit, async (atMost) => {
    const emails = fitting(await endedEmails(db, ended, until, atMost));
    const first = namedBy(emails);
    if (first === null) return null;
    const rows = await wholeEmails(db, emails);
    return { kind: "emails", ...first, rows, remove: () => deleteEmails(db, emails) };
  });
}

function namedBy([first]: readonly EndedEmail[]): { day: string; cursor: string } | null {
  return first === undefined ? null : { day: dayOf(first.at), cursor: `${first.at}-${first.id}` };
}

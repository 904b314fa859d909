import { runBatch } from "../../database/batch.ts";
import { countRows } from "../../database/expiring.ts";
import { overStatuses } from "../rules/lifecycle.ts";

/**
 * SQL that deletes emails after their retention. What is pending has no place in these conditions:
 * an email that waits, is handed over or has a dead letter is never deleted.
 */

/** SQL over `emails`: it is over since `updated_at`. As the index `emails_over` has it. */
export const isOver = `status IN (${overStatuses.map((status) => `'${status}'`).join(", ")})`;

/** SQL over `emails`: it is dead and was recorded as a dead letter. As the index has it. */
const isBuried = "status = 'dead' AND buried_at IS NOT NULL";
const hasNoLetter = "NOT EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.id = emails.id)";

/** Why an email may be deleted: it was over, its dead letter is gone, or it stayed `unknown`. */
export type EndedAs = "over" | "dead" | "unknown";

/** `where`: SQL over `emails`, with the time before which it ended as `?1`. `at`: when it ended. */
export const emailsToDelete: Record<EndedAs, { where: string; at: string }> = {
  over: { where: `${isOver} AND updated_at <= ?1`, at: "updated_at" },
  dead: {
    where: `${isBuried} AND buried_at <= ?1 AND ${hasNoLetter}`,
    at: "buried_at",
  },
  unknown: {
    where: "status = 'unknown' AND created_at <= ?1 AND updated_at <= ?1",
    at: "created_at",
  },
};

/** Deletes emails that ended before a time, the oldest first: at most `limit`. @returns how many */
export async function deleteEnded(
  db: D1Database,
  ended: EndedAs,
  until: number,
  limit: number,
): Promise<number> {
  const { where, at } = emailsToDelete[ended];
  const { results } = await db
    .prepare(
      `DELETE FROM emails WHERE id IN (
         SELECT id FROM emails WHERE ${where} ORDER BY ${at}, id LIMIT ?2) RETURNING id`,
    )
    .bind(until, limit)
    .all();
  // `meta.changes` also counts what the triggers delete.
  return results.length;
}

/** How many emails ended before a time, counted up to `limit`. */
export async function countEnded(
  db: D1Database,
  ended: EndedAs,
  until: number,
  limit: number,
): Promise<number> {
  return await countRows(db, `emails WHERE ${emailsToDelete[ended].where}`, [until, limit]);
}

/** Contents are deleted in the order in which their emails ended, from a cursor on. */
export type WithContent = Exclude<EndedAs, "unknown">;

/** SQL of emails after the cursor `?1` that ended before `?2`. */
export const contentsToDelete: Record<WithContent, { at: string; from: string }> = {
  over: { at: "updated_at", from: fromCursor(isOver, "updated_at") },
  dead: { at: "buried_at", from: `${fromCursor(isBuried, "buried_at")} AND ${hasNoLetter}` },
};

/** With bare subqueries SQLite would use only the first column of its index. */
function fromCursor(condition: string, at: string): string {
  return `emails WHERE ${condition} AND ${at} <= ?2
    AND (${at}, id) > (COALESCE((SELECT at FROM task_cursors WHERE name = ?1), 0),
                       COALESCE((SELECT id FROM task_cursors WHERE name = ?1), ''))`;
}

export const cursorOf = (ended: WithContent): string => `email-contents:${ended}`;

/**
 * Deletes the contents of emails that ended before a time: of at most `limit` emails. In the same
 * batch the cursor moves past them, so that no run reads an email again.
 *
 * @returns of how many emails
 */
export async function deleteContents(
  db: D1Database,
  ended: WithContent,
  until: number,
  limit: number,
): Promise<number> {
  const { at, from } = contentsToDelete[ended];
  const page = `SELECT id, ${at} AS at FROM ${from} ORDER BY ${at}, id LIMIT ?3`;
  const bound = [cursorOf(ended), until, limit] as const;
  const { passed } = await runBatch(db, {
    passed: db.prepare(`SELECT COUNT(*) AS n FROM (${page})`).bind(...bound),
    deleted: db
      .prepare(`DELETE FROM email_contents WHERE email_id IN (SELECT id FROM (${page}))`)
      .bind(...bound),
    advanced: db
      .prepare(
        `UPDATE task_cursors SET at = last.at, id = last.id
         FROM (SELECT at, id FROM (${page}) ORDER BY at DESC, id DESC LIMIT 1) AS last
         WHERE name = ?1`,
      )
      .bind(...bound),
  });
  const [row] = passed.results as { n: number }[];
  return row?.n ?? 0;
}

/** Of how many emails that ended before a time the content was not deleted, up to `limit`. */
export async function countContents(
  db: D1Database,
  ended: WithContent,
  until: number,
  limit: number,
): Promise<number> {
  return await countRows(db, contentsToDelete[ended].from, [cursorOf(ended), until, limit]);
}

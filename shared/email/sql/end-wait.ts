import { runBatch } from "../../database/batch.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import { nextEvent } from "./events.ts";

/** SQL of ending the wait of an email. */

export type WaitEnded =
  | { ended: true; generation: number; dueAt: number }
  | { ended: false; status: string }
  | null;

/**
 * Makes an email due that waits for a reason that is not its own. Guarded like a change of status:
 * if this and a claim race, one wins. A repeat changes nothing.
 *
 * @returns null if there is no such email
 */
export async function endWait(db: D1Database, id: string, now: number): Promise<WaitEnded> {
  const waiting = "id = ?1 AND status = 'queued' AND wait_class <> 'paused' AND due_at > ?2";
  const replies = await runBatch(db, {
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT id, ${nextEvent("emails.id")}, generation, 'queued', ?2, '{"waitEnded":true}'
         FROM emails WHERE ${waiting}`,
      )
      .bind(id, now),
    ended: db
      .prepare(
        `UPDATE emails SET due_at = ?2, ring_after = ?3, rings = 0, updated_at = ?2
         WHERE ${waiting}`,
      )
      .bind(id, now, nextNotificationAt(now, now, 0)),
    found: db
      .prepare(
        `SELECT status, generation, due_at AS dueAt,
           status = 'queued' AND wait_class <> 'paused' AS waits FROM emails WHERE id = ?1`,
      )
      .bind(id),
  });
  const row = replies.found.results[0] as
    | { status: string; generation: number; dueAt: number; waits: 0 | 1 }
    | undefined;
  if (row === undefined) return null;
  return row.waits === 1
    ? { ended: true, generation: row.generation, dueAt: row.dueAt }
    : { ended: false, status: row.status };
}

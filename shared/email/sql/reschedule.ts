import { runBatch } from "../../database/batch.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import { nextEvent } from "./events.ts";

/** SQL of moving a scheduled email to another time. */

export type Moved =
  | { moved: true; generation: number; dueAt: number }
  | { moved: false; status: string }
  | null;

type Move = { id: string; tenant: string | null; sendAt: number };

/**
 * Moves an email that is scheduled. Guarded like a change of status: if a move and the end of the
 * wait race, one wins. A repeat of the same move changes nothing.
 *
 * @param tenant the tenant that the email must belong to; null for any
 * @returns null if there is no such email
 */
export async function moveScheduled(
  db: D1Database,
  { id, tenant, sendAt }: Move,
  now: number,
): Promise<Moved> {
  const scheduled = `id = ?1 AND status = 'scheduled' AND (?2 IS NULL OR tenant = ?2)
    AND send_at IS NOT ?4`;
  const dueAt = Math.max(sendAt, now);
  const detail = JSON.stringify({ sendAt: new Date(sendAt).toISOString() });
  const replies = await runBatch(db, {
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT id, ${nextEvent("emails.id")},
           generation, 'scheduled', ?3, ?5 FROM emails WHERE ${scheduled}`,
      )
      .bind(id, tenant, now, sendAt, detail),
    moved: db
      .prepare(
        `UPDATE emails SET send_at = ?4, due_at = ?5, ring_after = ?6, rings = 0, updated_at = ?3
         WHERE ${scheduled}`,
      )
      .bind(id, tenant, now, sendAt, dueAt, nextNotificationAt(dueAt, now, 0)),
    found: db
      .prepare(
        `SELECT status, generation, send_at AS sendAt, due_at AS dueAt FROM emails
         WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)`,
      )
      .bind(id, tenant),
  });
  const row = replies.found.results[0] as
    | { status: string; generation: number; sendAt: number | null; dueAt: number }
    | undefined;
  if (row === undefined) return null;
  return row.status === "scheduled" && row.sendAt === sendAt
    ? { moved: true, generation: row.generation, dueAt: row.dueAt }
    : { moved: false, status: row.status };
}

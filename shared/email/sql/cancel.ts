import { runBatch } from "../../database/batch.ts";
import { nextEvent } from "./events.ts";

/** SQL of cancelling. */

export type Cancelled = { cancelled: true } | { cancelled: false; status: string } | null;

/**
 * Cancels an email that is scheduled or queued. Guarded like every change of status: if a cancel
 * and a claim race, one wins, and the other finds a status that it does not start from.
 *
 * @param tenant the tenant that the email must belong to; null for any
 * @returns null if there is no such email
 */
export async function cancelQueued(
  db: D1Database,
  id: string,
  tenant: string | null,
  now: number,
): Promise<Cancelled> {
  const queued = "id = ?1 AND status IN ('scheduled', 'queued') AND (?2 IS NULL OR tenant = ?2)";
  const replies = await runBatch(db, {
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at)
         SELECT id, ${nextEvent("emails.id")},
           generation, 'cancelled', ?3 FROM emails WHERE ${queued}`,
      )
      .bind(id, tenant, now),
    cancelled: db
      .prepare(`UPDATE emails SET status = 'cancelled', updated_at = ?3 WHERE ${queued}`)
      .bind(id, tenant, now),
    found: db
      .prepare("SELECT status FROM emails WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)")
      .bind(id, tenant),
  });
  const row = replies.found.results[0] as { status: string } | undefined;
  if (row === undefined) return null;
  // A cancel whose reply was lost is repeated, and finds what it did.
  return replies.cancelled.meta.changes > 0 || row.status === "cancelled"
    ? { cancelled: true }
    : { cancelled: false, status: row.status };
}

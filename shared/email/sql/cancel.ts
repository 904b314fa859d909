/** SQL of cancelling. */

export type Cancelled = { cancelled: true } | { cancelled: false; status: string } | null;

/**
 * Cancels a mail that is scheduled or queued and has not left. Guarded like every change of status:
 * of a cancel and a claim that race, one wins, and the other finds the mail in a state that it does
 * not start from.
 *
 * @param tenant whose mail it must be; null for anybody's
 * @returns null if there is no such mail
 */
export async function cancelEmail(
  db: D1Database,
  id: string,
  tenant: string | null,
  now: number,
): Promise<Cancelled> {
  const queued = "id = ?1 AND status IN ('scheduled', 'queued') AND (?2 IS NULL OR tenant = ?2)";
  const [, updated, found] = await db.batch([
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at) SELECT id, generation, 'cancelled', ?3 FROM emails WHERE ${queued}`,
      )
      .bind(id, tenant, now),
    db
      .prepare(`UPDATE emails SET status = 'cancelled', updated_at = ?3 WHERE ${queued}`)
      .bind(id, tenant, now),
    db
      .prepare("SELECT status FROM emails WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)")
      .bind(id, tenant),
  ]);
  const row = found?.results[0] as { status: string } | undefined;
  if (row === undefined) return null;
  // A cancel that is repeated, for its reply was lost, finds what it did.
  return (updated?.meta.changes ?? 0) > 0 || row.status === "cancelled"
    ? { cancelled: true }
    : { cancelled: false, status: row.status };
}

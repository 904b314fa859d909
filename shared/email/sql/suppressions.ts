import type { Cursor } from "../../http/lists.ts";

/** SQL of suppressed addresses. They are compared without case. */

export type Suppression = {
  address: string;
  /** `all`: no email at all. `non-transactional`: only what is purely transactional. */
  scope: "all" | "non-transactional";
  reason: "bounce" | "complaint" | "unsubscribe" | "manual";
  note: string | null;
  createdAt: number;
};

/**
 * Suppresses an address, or changes the reason and the note of a suppression.
 *
 * @returns the suppression as it is stored
 */
export async function saveSuppression(
  db: D1Database,
  { address, scope, reason, note, createdAt }: Suppression,
): Promise<Suppression> {
  const saved = await db
    .prepare(
      `INSERT INTO suppressions (address, scope, reason, note, created_at)
       VALUES (LOWER(?1), ?2, ?3, ?4, ?5)
       ON CONFLICT (address, scope) DO UPDATE SET reason = ?3, note = ?4
       RETURNING address, scope, reason, note, created_at AS createdAt`,
    )
    .bind(address, scope, reason, note, createdAt)
    .first<Suppression>();
  if (saved === null) throw new Error("D1 returned no row for what it wrote");
  return saved;
}

/** The recipient of an email, who unsubscribes from it. */
export async function recipientOf(db: D1Database, emailId: string): Promise<string | null> {
  return await db
    .prepare("SELECT to_address FROM emails WHERE id = ?1")
    .bind(emailId)
    .first<string>("to_address");
}

/** @returns whether it was suppressed */
export async function deleteSuppression(db: D1Database, address: string): Promise<boolean> {
  const done = await db
    .prepare("DELETE FROM suppressions WHERE address = LOWER(?1)")
    .bind(address)
    .run();
  return done.meta.changes > 0;
}

/** One page, oldest first. */
export async function findSuppressions(
  db: D1Database,
  address: string | null,
  after: Cursor | null,
  limit: number,
): Promise<(Suppression & { id: string })[]> {
  const { results } = await db
    .prepare(
      `SELECT CAST(id AS TEXT) AS id, address, scope, reason, note, created_at AS createdAt
       FROM suppressions
       WHERE ${address === null ? "?1 IS NULL" : "address = LOWER(?1)"}
         AND suppressions.id > CAST(?2 AS INTEGER) ORDER BY suppressions.id LIMIT ?3`,
    )
    .bind(address, after?.id ?? "0", limit)
    .all<Suppression & { id: string }>();
  return results;
}

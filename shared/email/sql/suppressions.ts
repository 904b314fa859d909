import type { Cursor } from "../../http/lists.ts";
import type { SuppressionReport } from "../rules/resend-feedback.ts";

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

/**
 * Takes over what a provider changed in its own list: once per message. What a person suppressed
 * here stays, and so does what came after the provider's change.
 */
export async function mirrorSuppression(
  db: D1Database,
  {
    provider,
    messageId,
    report,
  }: { provider: string; messageId: string; report: SuppressionReport },
  now: number,
): Promise<void> {
  const { change, address, reason, at } = report;
  const note = `${provider}: ${MIRRORED}`;
  const isNew = `NOT EXISTS (SELECT 1 FROM webhook_messages
    WHERE provider = ?1 AND message_id = ?2)`;
  await db.batch([
    change === "added"
      ? db
          .prepare(
            `INSERT INTO suppressions (address, scope, reason, note, created_at)
             SELECT LOWER(?3), 'all', ?4, ?5, ?6 WHERE ${isNew}
             ON CONFLICT (address, scope) DO NOTHING`,
          )
          .bind(provider, messageId, address, reason, note, at)
      : db
          .prepare(
            `DELETE FROM suppressions WHERE address = LOWER(?3) AND scope = 'all'
             AND (reason IN ('bounce', 'complaint') OR (reason = 'manual' AND note = ?4))
             AND created_at <= ?5 AND ${isNew}`,
          )
          .bind(provider, messageId, address, note, at),
    db
      .prepare(
        `INSERT INTO webhook_messages (provider, message_id, received_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (provider, message_id) DO NOTHING`,
      )
      .bind(provider, messageId, now),
  ]);
}

/** The note of a suppression that was a provider's own. */
const MIRRORED = "on the provider's list of suppressions";

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

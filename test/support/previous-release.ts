import type { Notification } from "../../shared/email/queue-messages.ts";

/**
 * How the release before several transports claimed emails and marked them, frozen. It runs beside
 * this one during a rollout, and again after a rollback. It had neither pins nor transports.
 */

type PreviousLease = { token: string; now: number; leaseExpiresAt: number };

export async function claim(
  db: D1Database,
  notifications: Notification[],
  { token, now, leaseExpiresAt }: PreviousLease,
): Promise<{ claimed: string[] }> {
  const rows = JSON.stringify(
    notifications.map(({ emailId, generation }) => ({ id: emailId, generation })),
  );
  const { results } = await db
    .prepare(
      `UPDATE emails
       SET status = 'claimed', lease_token = ?3, lease_expires_at = ?4, updated_at = ?2
       WHERE id IN (
         SELECT e.id FROM json_each(?1) n
         JOIN emails e ON e.id = n.value ->> 'id' AND e.generation = n.value ->> 'generation'
         WHERE e.status = 'queued' AND e.due_at <= ?2) RETURNING id`,
    )
    .bind(rows, now, token, leaseExpiresAt)
    .all<{ id: string }>();
  return { claimed: results.map(({ id }) => id) };
}

/** @returns the emails that it would hand to SMTP now */
export async function mark(
  db: D1Database,
  ids: string[],
  { token, now, leaseExpiresAt }: PreviousLease,
): Promise<string[]> {
  const { results } = await db
    .prepare(
      `UPDATE emails SET status = 'sending', attempts = attempts + 1, lease_expires_at = ?4,
         updated_at = ?2
       WHERE lease_token = ?3 AND status = 'claimed' AND id IN (SELECT value FROM json_each(?1))
       RETURNING id`,
    )
    .bind(JSON.stringify(ids), now, token, leaseExpiresAt)
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}

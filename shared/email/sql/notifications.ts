import { nextNotificationAt } from "../rules/retry-policy.ts";
import { pick, selectionOf, type EmailRow } from "./columns.ts";

/** SQL of the sweeper's notifications: the columns `ring_after` and `rings`. */

/**
 * An email that the sweeper notifies the consumer of, or sends to the dead-letter queue once more.
 */
export type OverdueEmail = EmailRow<"id" | "generation" | "rings">;
const overdue = selectionOf(pick("id", "generation", "rings"));

/** Lets the next sweep notify the consumer of emails for which the queue took no notification. */
export async function notifySoon(db: D1Database, ids: string[], now: number): Promise<void> {
  await db
    .prepare(
      `UPDATE emails SET ring_after = MAX(due_at, ?2)
       WHERE status IN ('scheduled', 'queued', 'pinned')
         AND id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(ids), now)
    .run();
}

/** Emails that are due and were not notified of lately, longest waiting first. */
export async function emailsToNotify(
  db: D1Database,
  now: number,
  limit: number,
): Promise<OverdueEmail[]> {
  const reply = await db
    .prepare(
      `SELECT ${overdue.list()} FROM emails
       WHERE status IN ('queued', 'pinned') AND ring_after <= ?1 ORDER BY ring_after LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return overdue.rows(reply);
}

/** Emails that are due, also those that were notified of just now, longest waiting first. */
export async function dueEmails(
  db: D1Database,
  now: number,
  limit: number,
): Promise<OverdueEmail[]> {
  // Each status has an index of its own.
  const oldest = (status: "queued" | "pinned"): string =>
    `SELECT * FROM (SELECT ${overdue.list()}, due_at FROM emails
       WHERE status = '${status}' AND due_at <= ?1 ORDER BY due_at LIMIT ?2)`;
  const reply = await db
    .prepare(
      `SELECT id, generation, rings FROM (${oldest("queued")} UNION ALL ${oldest("pinned")})
       ORDER BY due_at LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return overdue.rows(reply);
}

/** Dead emails whose dead letter is overdue, longest overdue first. */
export async function missingDeadLetters(
  db: D1Database,
  now: number,
  limit: number,
): Promise<OverdueEmail[]> {
  const reply = await db
    .prepare(
      `SELECT ${overdue.list()} FROM emails
       WHERE status = 'dead' AND buried_at IS NULL AND ring_after <= ?1
       ORDER BY ring_after LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return overdue.rows(reply);
}

/**
 * Records that the sweeper notified, so that a backlog is not notified of again each minute. An
 * email that moved on since it was read has another time already, and keeps it.
 */
export async function recordNotifications(
  db: D1Database,
  emails: OverdueEmail[],
  now: number,
): Promise<void> {
  if (emails.length === 0) return;
  const notified = emails.map(({ id, generation, rings }) => ({
    id,
    generation,
    rings: rings + 1,
    notifyAfter: nextNotificationAt(now, now, rings + 1),
  }));
  await db
    .prepare(
      `UPDATE emails AS e SET rings = n.value ->> 'rings', ring_after = n.value ->> 'notifyAfter'
       FROM json_each(?1) AS n
       WHERE e.id = n.value ->> 'id' AND e.generation = n.value ->> 'generation'
         AND e.ring_after <= ?2 AND e.status IN ('queued', 'pinned', 'dead')`,
    )
    .bind(JSON.stringify(notified), now)
    .run();
}

import type { EmailStatus } from "../rules/lifecycle.ts";
import type { Report } from "../rules/resend-feedback.ts";
import { afterFeedback } from "../rules/transitions.ts";

/** SQL of what providers tell later on. */

export type Taken =
  /** What the mail is now. `changed`: by this message. */
  | { taken: "applied"; id: string; status: EmailStatus; changed: boolean }
  /** It was here before. */
  | { taken: "repeated" }
  /** It is about no mail of ours. */
  | { taken: "unknown-mail" };

type Row = { id: string; generation: number; status: EmailStatus; transport: string | null };

/** A mail that moves on between the look and the write is looked at again. */
const MAX_TRIES = 5;

/**
 * Takes one message of a provider: changes the mail, suppresses its recipient and remembers the
 * message, in one batch. Of two deliveries of the same message one has an effect.
 *
 * @throws Error if the mail moves on each time it is looked at
 */
export async function takeFeedback(
  db: D1Database,
  provider: string,
  messageId: string,
  report: Report,
  now: number,
): Promise<Taken> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const { row, repeated } = await look(db, provider, messageId, report);
    if (repeated) return { taken: "repeated" };
    if (row === null) return { taken: "unknown-mail" };
    // Of a generation that was replayed since, or that another transport has by now, only the
    // suppression still matters.
    const isCurrent =
      row.transport === provider &&
      (report.mail === null || report.mail.generation === row.generation);
    const next = isCurrent ? afterFeedback(row.status, report.feedback) : null;
    if (await apply(db, provider, messageId, report, row, next, now)) {
      return { taken: "applied", id: row.id, status: next ?? row.status, changed: next !== null };
    }
  }
  throw new Error("the mail did not hold still");
}

async function look(
  db: D1Database,
  provider: string,
  messageId: string,
  { mail, providerId }: Report,
): Promise<{ row: Row | null; repeated: boolean }> {
  const columns = "id, generation, status, transport";
  const [known, found] = await db.batch([
    db
      .prepare("SELECT 1 FROM webhook_messages WHERE provider = ?1 AND message_id = ?2")
      .bind(provider, messageId),
    mail === null
      ? db
          .prepare(`SELECT ${columns} FROM emails WHERE provider_id = ?1 AND transport = ?2`)
          .bind(providerId, provider)
      : db.prepare(`SELECT ${columns} FROM emails WHERE id = ?1`).bind(mail.id),
  ]);
  return {
    row: (found?.results[0] as Row | undefined) ?? null,
    repeated: (known?.results.length ?? 0) > 0,
  };
}

/** @returns whether the mail still was what it was taken for: else nothing was written */
async function apply(
  db: D1Database,
  provider: string,
  messageId: string,
  { providerId, suppress, detail }: Report,
  { id, generation, status }: Row,
  next: EmailStatus | null,
  now: number,
): Promise<boolean> {
  const same = "emails.id = ?1 AND emails.generation = ?2 AND emails.status = ?3";
  const details = JSON.stringify({ ...detail, providerId });
  const statements = [
    db
      .prepare(
        `INSERT INTO webhook_messages (provider, message_id, received_at) SELECT ?4, ?5, ?6 FROM emails WHERE ${same}
         ON CONFLICT (provider, message_id) DO NOTHING`,
      )
      .bind(id, generation, status, provider, messageId, now),
  ];
  if (suppress !== null) {
    statements.push(
      db
        .prepare(
          `INSERT INTO suppressions (address, scope, reason, note, created_at) SELECT LOWER(to_address), 'all', ?4, ?5, ?6 FROM emails WHERE ${same}
           ON CONFLICT (address, scope) DO NOTHING`,
        )
        .bind(id, generation, status, suppress, detail.text, now),
    );
  }
  if (next !== null) {
    statements.push(
      db
        .prepare(
          `INSERT INTO email_events (email_id, generation, type, at, detail) SELECT id, generation, ?4, ?5, ?6 FROM emails WHERE ${same}`,
        )
        .bind(id, generation, status, next, now, details),
      db
        .prepare(
          `DELETE FROM dead_letters WHERE id IN (SELECT id FROM emails WHERE ${same} AND status = 'dead')`,
        )
        .bind(id, generation, status),
      db
        .prepare(
          `UPDATE emails SET status = ?4, lease_token = NULL, lease_expires_at = NULL, pinned_until = NULL, provider_id = ?6, updated_at = ?5,
             buried_at = NULL, rings = 0, ring_after = ?5, last_error = CASE WHEN ?4 IN ('sent', 'delivered') THEN NULL ELSE ?7 END,
             dead_reason = CASE WHEN ?4 = 'dead' THEN 'permanent' END,
             sent_at = CASE WHEN ?4 = 'dead' THEN NULL ELSE COALESCE(sent_at, ?5) END
           WHERE ${same}`,
        )
        .bind(id, generation, status, next, now, providerId, details),
    );
  }
  const [remembered] = await db.batch(statements);
  return (remembered?.meta.changes ?? 0) > 0;
}

/** Messages older than their signature lives need not be remembered. */
export async function forgetFeedback(
  db: D1Database,
  before: number,
  limit: number,
): Promise<number> {
  const done = await db
    .prepare(
      `DELETE FROM webhook_messages WHERE (provider, message_id) IN
         (SELECT provider, message_id FROM webhook_messages WHERE received_at <= ?1 LIMIT ?2)`,
    )
    .bind(before, limit)
    .run();
  return done.meta.changes;
}

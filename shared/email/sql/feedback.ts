import { runBatch } from "../../database/batch.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import type { EmailStatus } from "../rules/lifecycle.ts";
import { afterProviderReport, namesAnother } from "../rules/reports.ts";
import type { ProviderReport } from "../rules/resend-feedback.ts";
import { pick, selectionOf, type RowOf } from "./columns.ts";
import { nextEvent } from "./events.ts";
import { recipientsColumn, reportRecipients, storedRecipients } from "./recipients.ts";
import { countSent } from "./sent-usage.ts";

/** SQL of what providers report later. */

export type Taken =
  /** The status of the email now. `changed`: by this message. */
  | { taken: "applied"; id: string; status: EmailStatus; changed: boolean }
  /** The message was taken before. */
  | { taken: "repeated" }
  /** The message names no email of ours. */
  | { taken: "unknown-mail" };

const fields = {
  ...pick("id", "generation", "status", "transport", "part", "to"),
  recipients: recipientsColumn("emails"),
};
type Row = RowOf<typeof fields>;
const columns = selectionOf(fields);

type FeedbackMessage = { provider: string; messageId: string; report: ProviderReport };

/** An email that changes between the read and the write is read again. */
const MAX_TRIES = 5;

/**
 * Takes one message of a provider: changes the email, suppresses its recipient and remembers the
 * message, in one batch. Of two deliveries of the same message one has an effect.
 *
 * @throws Error if the email changes each time after it is read
 */
export async function takeFeedback(
  db: D1Database,
  message: FeedbackMessage,
  now: number,
): Promise<Taken> {
  const { provider, report } = message;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const { row, repeated } = await look(db, message);
    if (repeated) return { taken: "repeated" };
    if (row === null) return { taken: "unknown-mail" };
    // For a generation that was replayed since, or that another transport has by now, only the
    // suppression still matters.
    const { email } = report;
    const isCurrent =
      row.transport === provider &&
      (email === null || (email.generation === row.generation && email.part === row.part));
    const recipients = storedRecipients(row.recipients, row.to);
    const change = afterProviderReport({ ...row, recipients, isCurrent }, report);
    const { next, changes } = change;
    // A person who has seen a Return-Path may name any number of addresses.
    const isUnbounded = provider === "smtp" && namesAnother(recipients, report);
    if (isUnbounded && next === null && changes.length === 0)
      return { taken: "applied", id: row.id, status: row.status, changed: false };
    const noted = isCurrent && next === null && report.feedback === "transient-bounce";
    if (await apply(db, { ...message, ...change, row, noted, now })) {
      const changed = next !== null || changes.length > 0;
      return { taken: "applied", id: row.id, status: next ?? row.status, changed };
    }
  }
  throw new Error("the email changed each time after it was read");
}

async function look(
  db: D1Database,
  { provider, messageId, report: { email, providerId } }: FeedbackMessage,
): Promise<{ row: Row | null; repeated: boolean }> {
  const replies = await runBatch(db, {
    known: db
      .prepare("SELECT 1 FROM webhook_messages WHERE provider = ?1 AND message_id = ?2")
      .bind(provider, messageId),
    email:
      email === null
        ? db
            .prepare(
              `SELECT ${columns.list()} FROM emails WHERE provider_id = ?1 AND transport = ?2`,
            )
            .bind(providerId, provider)
        : db.prepare(`SELECT ${columns.list()} FROM emails WHERE id = ?1`).bind(email.id),
  });
  return {
    row: columns.rows(replies.email)[0] ?? null,
    repeated: replies.known.results.length > 0,
  };
}

/** `noted`: the timeline has the feedback, which changes no status. */
type Change = FeedbackMessage &
  ReturnType<typeof afterProviderReport> & { row: Row; noted: boolean; now: number };

/** @returns whether the email was unchanged since it was read: else nothing was written */
async function apply(
  db: D1Database,
  { provider, messageId, report, row, next, noted, changes, suppress: addresses, now }: Change,
): Promise<boolean> {
  const { feedback, providerId, suppress, detail } = report;
  const details = JSON.stringify({ ...detail, ...(providerId !== null && { providerId }) });
  const { id, generation, status } = row;
  const unchanged = "emails.id = ?1 AND emails.generation = ?2 AND emails.status = ?3";
  const replies = await runBatch(db, {
    remembered: db
      .prepare(
        `INSERT INTO webhook_messages (provider, message_id, received_at)
         SELECT ?4, ?5, ?6 FROM emails WHERE ${unchanged}
         ON CONFLICT (provider, message_id) DO NOTHING`,
      )
      .bind(id, generation, status, provider, messageId, now),
    suppress:
      suppress === null || addresses.length === 0
        ? []
        : [
            db
              .prepare(
                `INSERT INTO suppressions (address, scope, reason, note, created_at)
                 SELECT LOWER(a.value), 'all', ?4, ?5, ?6 FROM emails CROSS JOIN json_each(?7) AS a
                 WHERE ${unchanged} ON CONFLICT (address, scope) DO NOTHING`,
              )
              .bind(id, generation, status, suppress, detail.text, now, JSON.stringify(addresses)),
          ],
    note: noted ? [insertFeedback(db, { unchanged, row, type: feedback, details, now })] : [],
    recipients:
      changes.length === 0
        ? []
        : [reportRecipients(db, unchanged, [id, generation, status, JSON.stringify(changes)])],
    change:
      next === null
        ? []
        : changeStatus(db, {
            unchanged,
            row,
            next,
            details,
            providerId,
            now,
          }),
  });
  return replies.remembered.meta.changes > 0;
}

type StatusChange = {
  /** SQL with the id, generation and status of `row` as `?1` to `?3`. */
  unchanged: string;
  row: Row;
  next: EmailStatus;
  details: string;
  providerId: string | null;
  now: number;
};

function changeStatus(
  db: D1Database,
  { unchanged, row, next, details, providerId, now }: StatusChange,
): D1PreparedStatement[] {
  const { id, generation, status } = row;
  const sent = {
    from: "emails AS e",
    condition: "e.id = ?1 AND e.generation = ?2 AND e.status = ?3 AND e.sent_at IS NULL",
    bound: [id, generation, status],
  };
  return [
    // Each other feedback proves that the provider had accepted the email.
    ...(next === "dead" ? [] : [countSent(db, sent, now)]),
    insertFeedback(db, { unchanged, row, type: next, details, now }),
    db
      .prepare(
        `DELETE FROM dead_letters
         WHERE id IN (SELECT id FROM emails WHERE ${unchanged} AND status = 'dead')`,
      )
      .bind(id, generation, status),
    db
      .prepare(
        `UPDATE emails SET status = ?4, lease_token = NULL, lease_expires_at = NULL,
           pinned_until = NULL, provider_id = COALESCE(?6, provider_id), updated_at = ?5,
           buried_at = NULL, rings = 0, ring_after = ?5,
           last_error = CASE WHEN ?4 IN ('sent', 'delivered') THEN NULL ELSE ?7 END,
           dead_reason = CASE WHEN ?4 = 'dead' THEN 'permanent' END,
           sent_at = CASE WHEN ?4 = 'dead' THEN NULL ELSE COALESCE(sent_at, ?5) END
         WHERE ${unchanged}`,
      )
      .bind(id, generation, status, next, now, providerId, details),
  ];
}

type FeedbackEvent = Pick<StatusChange, "unchanged" | "row" | "details" | "now"> & {
  type: string;
};

const insertFeedback = (
  db: D1Database,
  { unchanged, row: { id, generation, status }, type, details, now }: FeedbackEvent,
): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO email_events (email_id, n, generation, type, at, detail)
       SELECT id, ${nextEvent("emails.id")},
         generation, ?4, ?5, ?6 FROM emails WHERE ${unchanged}`,
    )
    .bind(id, generation, status, type, now, details);

/** Messages whose signature is too old to be accepted need not be remembered. */
export const oldFeedback: ExpiringRows = {
  table: "webhook_messages",
  key: "provider, message_id",
  isOver: "received_at <= ?1",
};

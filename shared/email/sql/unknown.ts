import { runBatch } from "../../database/batch.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import { nextEvent } from "./events.ts";
import { acceptOpen, hasState } from "./recipients.ts";
import { countSent } from "./sent-usage.ts";
import { notWaiting } from "./waits.ts";

/** SQL of what an operator decides about an email whose outcome was not observed. */

/** `queued` sends it again, as the next generation; `dead` makes it a dead letter. */
export type Resolution = "sent" | "queued" | "dead";

export type Resolved = { id: string; status: string; generation: number };

/** SQL over `emails`. */
const isResolvable = "status IN ('unknown', 'pinned')";

/**
 * Resolves an `unknown` email, or a `pinned` one before its provider does. From then on a late
 * outcome of its attempt changes nothing.
 *
 * @returns the email as it is now, or null if it was neither: then nothing was changed
 */
export async function resolveUnknown(
  db: D1Database,
  id: string,
  resolution: Resolution,
  now: number,
): Promise<Resolved | null> {
  const again = resolution === "queued";
  const sent = {
    from: "emails AS e",
    condition: "e.id = ?1 AND e.status IN ('unknown', 'pinned') AND e.sent_at IS NULL",
    bound: [id],
  };
  // Beside those who have it others may have been refused: for now, or for good.
  const becomes = `CASE WHEN ?2 <> 'sent' THEN ?2 WHEN ${hasState("pending")} THEN 'queued'
    WHEN ${hasState("refused")} THEN 'dead' ELSE ?2 END`;
  const replies = await runBatch(db, {
    count: resolution === "sent" ? [countSent(db, sent, now)] : [],
    recipients: resolution === "sent" ? [acceptOpen(db, id, isResolvable)] : [],
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT id, ${nextEvent("emails.id")},
           generation + ?4, ${becomes}, ?3, '{"resolvedBy":"operator"}' FROM emails
         WHERE id = ?1 AND ${isResolvable}`,
      )
      .bind(id, resolution, now, again ? 1 : 0),
    resolved: db
      .prepare(
        `UPDATE emails SET rings = 0, ring_after = iif(${becomes} = 'queued', ?5, ?3),
           status = ${becomes}, generation = generation + ?4, lease_token = NULL,
           transport = CASE WHEN ?2 = 'queued' THEN NULL ELSE transport END, pinned_until = NULL,
           provider_id = CASE WHEN ?2 = 'queued' THEN NULL ELSE provider_id END,
           updated_at = ?3, part = part + (${becomes} = 'queued' AND ?2 = 'sent'),
           generation_at = CASE WHEN ?2 = 'queued' THEN ?3 ELSE generation_at END,
           due_at = CASE WHEN ${becomes} = 'queued' THEN ?3 ELSE due_at END,
           attempts = CASE WHEN ?2 = 'queued' THEN 0 ELSE attempts END, ${notWaiting},
           sent_at = COALESCE(sent_at, CASE WHEN ?2 = 'sent' THEN ?3 END),
           last_error = CASE WHEN ?2 = 'sent' THEN NULL ELSE last_error END,
           dead_reason = CASE WHEN ?2 = 'dead' THEN 'operator'
             WHEN ${becomes} = 'dead' THEN 'permanent' END
         WHERE id = ?1 AND ${isResolvable} RETURNING id, status, generation`,
      )
      .bind(id, resolution, now, again ? 1 : 0, nextNotificationAt(now, now, 0)),
  });
  const [resolved] = replies.resolved.results as Resolved[];
  return resolved ?? null;
}

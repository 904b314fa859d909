import { runBatch } from "../../database/batch.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import { nextEvent } from "./events.ts";
import { countSent } from "./sent-usage.ts";
import { notWaiting } from "./waits.ts";

/** SQL of what an operator decides about an email whose outcome was not observed. */

/** `queued` sends it again, as the next generation; `dead` makes it a dead letter. */
export type Resolution = "sent" | "queued" | "dead";

export type Resolved = { id: string; status: string; generation: number };

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
    condition: "e.id = ?1 AND e.status IN ('unknown', 'pinned')",
    bound: [id],
  };
  const replies = await runBatch(db, {
    count: resolution === "sent" ? [countSent(db, sent, now)] : [],
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT id, ${nextEvent("emails.id")},
           generation + ?4, ?2, ?3, '{"resolvedBy":"operator"}' FROM emails
         WHERE id = ?1 AND status IN ('unknown', 'pinned')`,
      )
      .bind(id, resolution, now, again ? 1 : 0),
    resolved: db
      .prepare(
        `UPDATE emails SET status = ?2, generation = generation + ?4, lease_token = NULL,
           transport = CASE WHEN ?2 = 'queued' THEN NULL ELSE transport END, pinned_until = NULL,
           provider_id = CASE WHEN ?2 = 'queued' THEN NULL ELSE provider_id END,
           updated_at = ?3, rings = 0, ring_after = ?5,
           generation_at = CASE WHEN ?2 = 'queued' THEN ?3 ELSE generation_at END,
           due_at = CASE WHEN ?2 = 'queued' THEN ?3 ELSE due_at END,
           attempts = CASE WHEN ?2 = 'queued' THEN 0 ELSE attempts END, ${notWaiting},
           sent_at = CASE WHEN ?2 = 'sent' THEN ?3 END,
           last_error = CASE WHEN ?2 = 'sent' THEN NULL ELSE last_error END,
           dead_reason = CASE WHEN ?2 = 'dead' THEN 'operator' END
         WHERE id = ?1 AND status IN ('unknown', 'pinned') RETURNING id, status, generation`,
      )
      .bind(id, resolution, now, again ? 1 : 0, again ? nextNotificationAt(now, now, 0) : now),
  });
  const [resolved] = replies.resolved.results as Resolved[];
  return resolved ?? null;
}

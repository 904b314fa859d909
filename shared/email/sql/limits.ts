import { runBatch } from "../../database/batch.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import { transportNames, type TransportName } from "../rules/transports.ts";
import { fromJson, pick, selectionOf, type EmailRow, type Json } from "./columns.ts";
import { slowedMs } from "./pace.ts";

/** SQL of the limits that providers reported, as operators see and end them. */

/** `slowedMs`: milliseconds per email, 0 for no limit. `slowedAt`: by an answer of that time. */
export type Limits = {
  transport: TransportName;
  slowedMs: number;
  slowedAt: number | null;
  closedUntil: number;
  closedBy: AttemptDetail | null;
};

export async function readLimits(db: D1Database, now: number): Promise<Limits[]> {
  const { results } = await db
    .prepare(
      `SELECT transport, ${slowedMs} AS slowedMs, slowed_at AS slowedAt,
         closed_until AS closedUntil, closed_by AS closedBy FROM transport_pace
       WHERE transport IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(transportNames), now)
    .all<Omit<Limits, "closedBy"> & { closedBy: Json<AttemptDetail> | null }>();
  return results.map(({ closedBy, ...limits }) => ({
    ...limits,
    closedBy: closedBy === null ? null : fromJson(closedBy),
  }));
}

type Due = EmailRow<"id" | "generation" | "dueAt">;
const dueColumns = selectionOf(pick("id", "generation", "dueAt"));

/** So many emails one call makes due. */
export const DUE_AT_ONCE = 1_000;

/**
 * Ends what a provider's limits made of its transport.
 *
 * @returns emails that waited for a limit, and are due now
 */
export async function endLimits(
  db: D1Database,
  transport: TransportName,
  now: number,
): Promise<Due[]> {
  const replies = await runBatch(db, {
    ended: db
      .prepare(
        `UPDATE transport_pace SET slowed_ms = NULL, slowed_at = NULL, closed_until = 0,
           closed_by = NULL WHERE transport = ?1`,
      )
      .bind(transport),
    due: db
      .prepare(
        `UPDATE emails SET due_at = ?2, ring_after = ?3, rings = 0, updated_at = ?2
         WHERE due_at > ?2 AND id IN (
           SELECT id FROM (SELECT id FROM emails
             WHERE status = 'queued' AND waiting_since IS NOT NULL AND wait_class = 'rate'
               AND due_at > ?2 ORDER BY waiting_since LIMIT ?4)
           UNION ALL
           SELECT id FROM (SELECT id FROM emails
             WHERE status = 'pinned' AND due_at > ?2 AND transport = ?1 ORDER BY due_at LIMIT ?4)
           LIMIT ?4)
         RETURNING ${dueColumns.list()}`,
      )
      .bind(transport, now, nextNotificationAt(now, now, 0), DUE_AT_ONCE),
  });
  return dueColumns.rows(replies.due);
}

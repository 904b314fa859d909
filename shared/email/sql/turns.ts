import { runBatch } from "../../database/batch.ts";
import type { Lane } from "../rules/turns.ts";
import { FORMAT, pick, selectionOf, type EmailRow } from "./columns.ts";

/**
 * SQL of what waits elsewhere than in the batch at hand. It walks from tenant to tenant with one
 * search of the index `emails_by_turn` for each, from the tenant that had the last turn on.
 */

export type WaitingEmail = EmailRow<"id" | "generation" | "tenant"> & { lane: Lane };
const columns = selectionOf(pick("id", "generation", "tenant"));

/** How many tenants of a lane one batch looks at, and how many emails of each it takes. */
const TENANTS = 8;
const EMAILS_OF_EACH = 5;

/** Behind each name of a tenant. */
const LAST = "~";

/** Emails that have been due since `dueBefore`, at most `limit`, in the order of their turns. */
export async function waitingElsewhere(
  db: D1Database,
  dueBefore: number,
  limit: number,
): Promise<WaitingEmail[]> {
  const replies = await runBatch(db, {
    transactional: waitingIn(db, 0, dueBefore, limit),
    rest: waitingIn(db, 1, dueBefore, limit),
  });
  return [...replies.transactional.results, ...replies.rest.results].slice(
    0,
    limit,
  ) as WaitingEmail[];
}

function waitingIn(
  db: D1Database,
  lane: Lane,
  dueBefore: number,
  limit: number,
): D1PreparedStatement {
  const last = `(SELECT tenant FROM email_turns WHERE lane = ${lane})`;
  return db
    .prepare(
      `WITH RECURSIVE turns (n, tenant, until) AS (
         SELECT 0, ${last}, '${LAST}' UNION ALL SELECT ${TENANTS}, '', ${last}
         UNION ALL
         SELECT n + 1, (SELECT e.tenant FROM emails AS e
            WHERE e.status = 'queued' AND e.lane = ${lane} AND e.tenant > turns.tenant
              AND e.tenant <= turns.until ORDER BY e.tenant LIMIT 1), until
         FROM turns WHERE turns.tenant IS NOT NULL AND (n + 1) % ${TENANTS} <> 0)
       SELECT ${columns.list("e")}, e.lane AS lane
       FROM turns CROSS JOIN emails AS e ON e.id IN (SELECT w.id FROM emails AS w
         WHERE w.status = 'queued' AND w.lane = ${lane} AND w.tenant = turns.tenant
           AND w.due_at <= ?1 AND w.format <= ${FORMAT}
         ORDER BY w.due_at, w.id LIMIT ${EMAILS_OF_EACH})
       WHERE n % ${TENANTS} <> 0 ORDER BY n LIMIT ?2`,
    )
    .bind(dueBefore, limit);
}

/** Records which tenants had their turns. */
export async function recordTurns(
  db: D1Database,
  turns: readonly Pick<WaitingEmail, "lane" | "tenant">[],
): Promise<void> {
  await db.batch(
    turns.map(({ lane, tenant }) =>
      db.prepare("UPDATE email_turns SET tenant = ?2 WHERE lane = ?1").bind(lane, tenant),
    ),
  );
}

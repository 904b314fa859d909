import { runBatch } from "../../database/batch.ts";
import { countRows } from "../../database/expiring.ts";
import { nextEvent } from "./events.ts";

/**
 * SQL of tenants that have ended: their account was deleted, or their key revoked. A claim cancels
 * their emails instead of sending them; what is not due yet is cancelled in pages.
 */

/** For a tenant whose account is deleted: no email of it is sent any more. */
export const FOR_EVER = Number.MAX_SAFE_INTEGER;

/** SQL over a row `e` of `emails`: it was queued before its tenant ended. */
export const tenantHasEnded = `EXISTS (SELECT 1 FROM ended_tenants t
  WHERE t.tenant = e.tenant AND t.ended_until >= e.generation_at)`;

/**
 * A statement that ends a tenant, for the batch of the write that ends it.
 *
 * @param until emails that were queued then or before are not sent
 * @param from SQL that selects a row if the write takes place, with `values` as `?4`, `?5`, ...
 */
export function insertTenantEnd(
  db: D1Database,
  { tenant, until, now }: { tenant: string; until: number; now: number },
  { from, values }: { from: string; values: (string | number)[] },
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO ended_tenants (tenant, ended_until, ended_at) SELECT ?1, ?2, ?3 FROM ${from}
       ON CONFLICT (tenant) DO UPDATE SET ended_at = excluded.ended_at, swept_at = NULL,
         ended_until = MAX(ended_until, excluded.ended_until)`,
    )
    .bind(tenant, until, now, ...values);
}

/** How many tenants that ended before a time may still have waiting emails, up to `limit`. */
export async function countUnswept(
  db: D1Database,
  endedBefore: number,
  limit: number,
): Promise<number> {
  return await countRows(db, "ended_tenants WHERE swept_at IS NULL AND ended_at <= ?1", [
    endedBefore,
    limit,
  ]);
}

export type EndedTenant = { tenant: string; endedUntil: number; endedAt: number };

/** Tenants of which emails may still wait, the longest ended first. */
export async function unsweptTenants(db: D1Database, limit: number): Promise<EndedTenant[]> {
  const { results } = await db
    .prepare(
      `SELECT tenant, ended_until AS endedUntil, ended_at AS endedAt FROM ended_tenants
       WHERE swept_at IS NULL ORDER BY ended_at LIMIT ?1`,
    )
    .bind(limit)
    .all<EndedTenant>();
  return results;
}

/** SQL of emails of the tenant `?1`, from the index that the condition and the order name. */
const unsentFrom = (where: string, order: string): string =>
  `SELECT id FROM (SELECT id FROM emails WHERE tenant = ?1 AND ${where} AND generation_at <= ?2
                   ORDER BY ${order} LIMIT ?4)`;

/** Cancels emails of a tenant that have not left: at most `limit`. @returns how many */
export async function cancelUnsent(
  db: D1Database,
  { tenant, endedUntil }: EndedTenant,
  now: number,
  limit: number,
): Promise<number> {
  // The same in both statements of the batch, until the second one changes them.
  const page = `${unsentFrom("status = 'scheduled'", "created_at, id")}
    UNION ALL ${unsentFrom("status = 'queued' AND lane = 0", "due_at, id")}
    UNION ALL ${unsentFrom("status = 'queued' AND lane = 1", "due_at, id")}
    LIMIT ?4`;
  const { cancelled } = await runBatch(db, {
    events: db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at)
         SELECT id, ${nextEvent("emails.id")},
           generation, 'cancelled', ?3 FROM emails WHERE id IN (${page})`,
      )
      .bind(tenant, endedUntil, now, limit),
    cancelled: db
      .prepare(`UPDATE emails SET status = 'cancelled', updated_at = ?3 WHERE id IN (${page})`)
      .bind(tenant, endedUntil, now, limit),
  });
  return cancelled.meta.changes;
}

/** Records that no email of a tenant waits, unless it has ended again since it was read. */
export async function markSwept(
  db: D1Database,
  { tenant, endedAt }: EndedTenant,
  now: number,
): Promise<void> {
  await db
    .prepare("UPDATE ended_tenants SET swept_at = ?3 WHERE tenant = ?1 AND ended_at = ?2")
    .bind(tenant, endedAt, now)
    .run();
}

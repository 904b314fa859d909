import { ownerOfTenant } from "../../accounts/sql/owners.ts";
import type { DeliveryDeadReason } from "../rules/delivery.ts";
import type { PauseReason } from "../rules/health.ts";
import type { Attempt } from "./deliveries.ts";
import { recordDeliveries, type ClaimedDelivery, type RecordedDelivery } from "./work.ts";

/** SQL of the sweep: leases that ran out, endpoints with something due, owners to notify. */

/** A lease that ran out: its consumer died, or did not reach D1. */
export type ExpiredDelivery = Pick<
  ClaimedDelivery,
  "id" | "generation" | "attempts" | "firstAt" | "log"
> & { token: string };

/** It reads what is in flight. */
export async function expiredDeliveries(
  db: D1Database,
  now: number,
  limit: number,
): Promise<ExpiredDelivery[]> {
  const { results } = await db
    .prepare(
      `SELECT id, generation, attempts, first_at AS firstAt, log, lease_token AS token
       FROM deliveries INDEXED BY deliveries_in_flight
       WHERE status = 'delivering' AND lease_expires_at <= ?1 AND kind = 'webhook' LIMIT ?2`,
    )
    .bind(now, limit)
    .all<Omit<ExpiredDelivery, "log"> & { log: string }>();
  return results.map(({ log, ...row }) => ({ ...row, log: JSON.parse(log) as Attempt[] }));
}

export async function recordExpired(
  db: D1Database,
  recorded: readonly RecordedDelivery[],
  now: number,
): Promise<void> {
  if (recorded.length > 0) await recordDeliveries(db, recorded, now).run();
}

/** `dueAt`: when its next call may begin. Null of `failures`: there is no such endpoint. */
export type WaitingTarget = {
  target: string;
  dueAt: number;
  failures: number | null;
  slow: number;
  isPaused: number;
};

/** SQL: the next endpoint that has deliveries waiting. */
const nextTarget = (than: string): string =>
  `(SELECT MIN(target) FROM deliveries WHERE status = 'pending' AND target > ${than})`;

/**
 * The endpoints that have deliveries waiting, in their order, however many each has.
 *
 * @param after the last of the page before, or what comes before the first endpoint
 */
export async function waitingTargets(
  db: D1Database,
  after: string,
  limit: number,
): Promise<WaitingTarget[]> {
  const { results } = await db
    .prepare(
      `WITH RECURSIVE waiting (target) AS (
         SELECT ${nextTarget("?1")} UNION ALL
         SELECT ${nextTarget("waiting.target")} FROM waiting WHERE target IS NOT NULL LIMIT ?2)
       SELECT t.target, w.failures, COALESCE(w.slow, 0) AS slow,
         w.paused_because IS NOT NULL AS isPaused,
         MAX(COALESCE(w.not_before, 0), (SELECT MIN(due_at) FROM deliveries
           WHERE target = t.target AND status = 'pending')) AS dueAt
       FROM waiting t LEFT JOIN webhook_endpoints w ON w.id = t.target
       WHERE t.target IS NOT NULL`,
    )
    .bind(after, limit)
    .all<WaitingTarget>();
  return results;
}

/** The endpoints of these ids, for the choice of their queue. */
export async function speedsOf(
  db: D1Database,
  ids: readonly string[],
): Promise<{ id: string; failures: number; slow: boolean }[]> {
  const { results } = await db
    .prepare(
      `SELECT id, failures, slow FROM webhook_endpoints
       WHERE id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(ids))
    .all<{ id: string; failures: number; slow: number }>();
  return results.map(({ slow, ...row }) => ({ ...row, slow: slow === 1 }));
}

/** Ends what waits for an endpoint that was deleted. */
export async function endDeleted(
  db: D1Database,
  target: string,
  now: number,
  limit: number,
): Promise<void> {
  const reason: DeliveryDeadReason = "deleted";
  await db
    .prepare(
      `UPDATE deliveries SET status = 'dead', reason = ?2, updated_at = ?3 WHERE id IN (
         SELECT id FROM deliveries WHERE target = ?1 AND status = 'pending' LIMIT ?4)`,
    )
    .bind(target, reason, now, limit)
    .run();
}

/**
 * An endpoint that Luna paused, whose owner is to be notified. `email`: of the user, or of an
 * owner of the team.
 */
export type PausedEndpoint = {
  id: string;
  tenant: string;
  url: string;
  because: PauseReason;
  pausedAt: number;
  email: string | null;
};

export async function pausedEndpoints(db: D1Database, limit: number): Promise<PausedEndpoint[]> {
  const { results } = await db
    .prepare(
      `SELECT w.id, w.tenant, w.url, w.paused_because AS because, w.paused_at AS pausedAt, u.email
       FROM webhook_endpoints w INDEXED BY webhook_endpoints_to_notify
       LEFT JOIN users u ON u.user_id = ${ownerOfTenant("w.tenant")}
       WHERE w.owner_notified = 0 AND w.paused_at > 0 ORDER BY w.paused_at LIMIT ?1`,
    )
    .bind(limit)
    .all<PausedEndpoint>();
  return results;
}

export async function markOwnersNotified(db: D1Database, ids: readonly string[]): Promise<void> {
  await db
    .prepare(
      `UPDATE webhook_endpoints SET owner_notified = 1
       WHERE id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(ids))
    .run();
}

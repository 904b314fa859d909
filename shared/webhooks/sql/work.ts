import { runBatch } from "../../database/batch.ts";
import type { SettledDelivery } from "../rules/delivery.ts";
import {
  CALLS_AT_ONCE,
  type EndpointHealth,
  type QueueSpeed,
  type PauseReason,
} from "../rules/health.ts";
import type { Attempt } from "./deliveries.ts";

/**
 * SQL of delivering. A claim gives a delivery to one consumer, and its token fences what is
 * recorded later. How many calls of an endpoint run at once is decided here, for the whole fleet.
 */

/** An endpoint that is called. Secrets are encrypted. */
export type CalledEndpoint = {
  id: string;
  url: string;
  secret: string;
  previousSecret: string | null;
  previousUntil: number | null;
} & EndpointHealth;

/** An event under a lease. */
export type ClaimedDelivery = {
  id: string;
  generation: number;
  attempts: number;
  firstAt: number;
  log: Attempt[];
  eventId: string;
  type: string;
  at: number;
  tenant: string;
  data: string;
};

type EndpointRow = Omit<CalledEndpoint, "slow"> & { slow: number };
type ClaimedRow = Omit<ClaimedDelivery, "log"> & { log: string };

const endpointColumns = `id, url, secret, previous_secret AS previousSecret,
  previous_until AS previousUntil, failures, failing_since AS failingSince,
  not_before AS notBefore, slow`;

const endpointFrom = ({ slow, ...row }: EndpointRow): CalledEndpoint => ({
  ...row,
  slow: slow === 1,
});

/** SQL over a row of `webhook_endpoints`, with the time as `?2`. */
const isOpen = "paused_because IS NULL AND COALESCE(not_before, 0) <= ?2";
/** SQL: fails or is slow. As `speedOf`. */
const isSlow = "(failures > 0 OR slow = 1)";

type Claiming = { endpointId: string; speed: QueueSpeed; token: string; leaseExpiresAt: number };

/**
 * Claims what is due of an endpoint, if it belongs to this queue.
 *
 * @returns null if there is no such endpoint that may be called now
 */
export async function claimDue(
  db: D1Database,
  { endpointId, speed, token, leaseExpiresAt }: Claiming,
  now: number,
): Promise<{ endpoint: CalledEndpoint; claimed: ClaimedDelivery[] } | null> {
  const room = `COALESCE((SELECT iif(${isSlow}, 1, ?3) FROM webhook_endpoints
      WHERE id = ?1 AND ${isOpen} AND ${isSlow} = ?4), 0)
    - (SELECT COUNT(*) FROM deliveries WHERE target = ?1 AND status = 'delivering')`;
  const replies = await runBatch(db, {
    endpoint: db
      .prepare(`SELECT ${endpointColumns} FROM webhook_endpoints WHERE id = ?1 AND ${isOpen}`)
      .bind(endpointId, now),
    claim: db
      .prepare(
        `UPDATE deliveries SET status = 'delivering', attempts = attempts + 1,
           first_at = COALESCE(first_at, ?2), lease_token = ?5, lease_expires_at = ?6,
           updated_at = ?2
         WHERE id IN (
           SELECT id FROM deliveries WHERE target = ?1 AND status = 'pending' AND due_at <= ?2
           ORDER BY due_at, id LIMIT MAX(0, ${room}))`,
      )
      .bind(endpointId, now, CALLS_AT_ONCE, speed === "slow" ? 1 : 0, token, leaseExpiresAt),
    claimed: db
      .prepare(
        `SELECT d.id, d.generation, d.attempts, d.first_at AS firstAt, d.log, e.id AS eventId,
           e.type, e.at, e.tenant, e.data
         FROM deliveries d JOIN webhook_events e ON e.n = d.event
         WHERE d.target = ?1 AND d.status = 'delivering' AND d.lease_token = ?2`,
      )
      .bind(endpointId, token),
  });
  const [endpoint] = replies.endpoint.results as EndpointRow[];
  if (endpoint === undefined) return null;
  const claimed = (replies.claimed.results as ClaimedRow[]).map(({ log, ...row }) => ({
    ...row,
    log: JSON.parse(log) as Attempt[],
  }));
  return { endpoint: endpointFrom(endpoint), claimed };
}

/** What became of a claimed delivery. `token`: of its lease. */
export type RecordedDelivery = {
  id: string;
  token: string;
  settled: SettledDelivery;
  log: Attempt[];
};

/**
 * The statement that records settled deliveries, each only under its lease. The plus keeps SQLite
 * from the index of all that is in flight.
 */
export function recordDeliveries(
  db: D1Database,
  recorded: readonly RecordedDelivery[],
  now: number,
): D1PreparedStatement {
  const rows = recorded.map(({ id, token, settled, log }) => ({
    id,
    token,
    status: settled.status,
    attempts: settled.attempts,
    dueAt: settled.status === "pending" ? settled.dueAt : null,
    reason: settled.status === "dead" ? settled.reason : null,
    log: JSON.stringify(log),
  }));
  return db
    .prepare(
      `UPDATE deliveries AS d SET status = o.value ->> 'status',
         attempts = o.value ->> 'attempts', due_at = COALESCE(o.value ->> 'dueAt', d.due_at),
         reason = o.value ->> 'reason', log = o.value ->> 'log', lease_token = NULL,
         lease_expires_at = NULL, updated_at = ?2
       FROM json_each(?1) AS o
       WHERE d.id = o.value ->> 'id' AND +d.status = 'delivering'
         AND d.lease_token = o.value ->> 'token'`,
    )
    .bind(JSON.stringify(rows), now);
}

type Recording = {
  endpointId: string;
  recorded: readonly RecordedDelivery[];
  /** Null if it has not changed. */
  health: EndpointHealth | null;
  pause: PauseReason | null;
};

/**
 * Records the calls of an endpoint with its health.
 *
 * @returns when its next delivery is due; null if none waits, or it is paused
 */
export async function recordCalls(
  db: D1Database,
  { endpointId, recorded, health, pause }: Recording,
  now: number,
): Promise<number | null> {
  const replies = await runBatch(db, {
    deliveries: recordDeliveries(db, recorded, now),
    health:
      health === null
        ? []
        : [
            db
              .prepare(
                `UPDATE webhook_endpoints SET failures = ?2, failing_since = ?3, not_before = ?4,
                   slow = ?5,
                   owner_notified = iif(?6 IS NULL OR paused_because IS NOT NULL,
                                        owner_notified, 0),
                   paused_at = iif(?6 IS NULL, paused_at, COALESCE(paused_at, ?7)),
                   paused_because = COALESCE(paused_because, ?6)
                 WHERE id = ?1`,
              )
              .bind(
                endpointId,
                health.failures,
                health.failingSince,
                health.notBefore,
                health.slow ? 1 : 0,
                pause,
                now,
              ),
          ],
    next: db
      .prepare(
        `SELECT MAX((SELECT MIN(due_at) FROM deliveries
                     WHERE target = ?1 AND status = 'pending'), COALESCE(not_before, 0)) AS at
         FROM webhook_endpoints WHERE id = ?1 AND paused_because IS NULL`,
      )
      .bind(endpointId),
  });
  return (replies.next.results[0] as { at: number | null } | undefined)?.at ?? null;
}

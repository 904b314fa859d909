import { runBatch } from "../../database/batch.ts";
import { transportNames, type TransportName } from "../rules/transports.ts";
import type { Lane } from "../rules/turns.ts";
import { freeAt } from "./pace.ts";

/**
 * SQL of the emails that wait for the rate of a transport. Each tenant has a line of its own per
 * lane, in which its emails come back one after another. The lines share the rate: while two
 * tenants wait, the emails of each come back half as often. What is not transactional counts for
 * the lines behind it only.
 */

/** Emails of one tenant and lane that got no reservation. */
export type Crowd = { lane: Lane; tenant: string; emails: number };

/** When the first email of a line may come back, and how long after it each next one. */
export type Line = { lane: Lane; tenant: string; fromAt: number; everyMs: number };

/** A line further ahead was reserved by a clock that was ahead. It is ignored. */
const MAX_BACKLOG_MS = 86_400_000;
/** So many lines share a rate at most. The emails of more of them ask for it more than once. */
const MAX_LINES = 1_000;
/** Lines that are over, of which a call deletes some. */
const FORGOTTEN_AFTER_MS = 60_000;
const FORGOTTEN_AT_ONCE = 20;

/** SQL over a row `emails`, with the time as `?2`: its tenant has a line in its lane. */
export const hasBacklog = `EXISTS (SELECT 1 FROM email_backlogs AS b
  WHERE b.transport IN (${transportNames.map((name) => `'${name}'`).join(", ")})
    AND b.lane = emails.lane AND b.tenant = emails.tenant AND b.until_at > ?2)`;

/**
 * Reserves the times at which emails come back that got no reservation, behind those of their
 * tenant that have theirs already.
 */
export async function reserveBacklog(
  db: D1Database,
  { transport, everyMs }: { transport: TransportName; everyMs: number },
  crowds: readonly Crowd[],
  now: number,
): Promise<Line[]> {
  const free = `COALESCE((SELECT ${freeAt} FROM transport_pace WHERE transport = ?1), ?2)`;
  const lines = `1 + MAX(
    (SELECT COUNT(*) FROM json_each(?3) AS o
     WHERE o.key <> k.key AND o.value ->> 'lane' <= k.value ->> 'lane'),
    (SELECT COUNT(*) FROM (SELECT 1 FROM email_backlogs AS b
     WHERE b.transport = ?1 AND b.until_at > ?2 AND b.lane <= k.value ->> 'lane'
       AND (b.lane <> k.value ->> 'lane' OR b.tenant <> k.value ->> 'tenant')
     LIMIT ${MAX_LINES})))`;
  const named = JSON.stringify(crowds);
  const replies = await runBatch(db, {
    shares: db
      .prepare(`SELECT k.key AS place, ${lines} AS lines FROM json_each(?3) AS k`)
      .bind(transport, now, named),
    forgotten: db
      .prepare(
        `DELETE FROM email_backlogs WHERE transport = ?1 AND (lane, tenant) IN (
           SELECT lane, tenant FROM email_backlogs WHERE transport = ?1 AND until_at <= ?2
           ORDER BY until_at LIMIT ${FORGOTTEN_AT_ONCE})`,
      )
      .bind(transport, now - FORGOTTEN_AFTER_MS),
    reserved: db
      .prepare(
        `INSERT INTO email_backlogs (transport, lane, tenant, until_at)
         SELECT ?1, k.value ->> 'lane', k.value ->> 'tenant',
           ${free} + CAST((k.value ->> 'emails') * ?4 * (${lines}) AS INTEGER)
         FROM json_each(?3) AS k WHERE TRUE
         ON CONFLICT (transport, lane, tenant) DO UPDATE SET until_at = excluded.until_at
           + MAX(iif(until_at > ?2 + ${MAX_BACKLOG_MS}, ?2, until_at) - ${free}, 0)
         RETURNING lane, tenant, until_at AS untilAt`,
      )
      .bind(transport, now, named, everyMs),
  });
  const shares = replies.shares.results as { place: number; lines: number }[];
  const reserved = replies.reserved.results as { lane: Lane; tenant: string; untilAt: number }[];
  return crowds.flatMap(({ lane, tenant, emails }, place) => {
    const line = reserved.find((one) => one.lane === lane && one.tenant === tenant);
    const spacedMs = everyMs * (shares.find((one) => one.place === place)?.lines ?? 1);
    if (line === undefined) return [];
    const fromAt = line.untilAt - Math.floor(emails * spacedMs);
    return [{ lane, tenant, fromAt, everyMs: spacedMs }];
  });
}

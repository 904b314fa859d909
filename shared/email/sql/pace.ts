import { overStatuses } from "../rules/lifecycle.ts";
import { GROUP_SPAN_MS, pacing, type RateAnswer } from "../rules/pace.ts";
import type { TransportName } from "../rules/transports.ts";

/**
 * SQL of the rates at which the whole fleet hands emails to a transport. A transport has one row
 * with the time from which on it is free. A group of emails reserves its share by moving that time,
 * as a leaky bucket does (GCRA, ITU-T I.371). The row also has what answers about a rate made of
 * it, by `rules/pace.ts`.
 */

/**
 * A group of emails for one transport. `everyMs`: as configured; null for no limit but that of
 * answers. `groupId` names the group, so that a repeat of the same request reserves nothing more.
 */
export type Reservation = {
  transport: TransportName;
  emails: number;
  everyMs: number | null;
  groupId: string;
  /** A group that would wait longer than this returns to the queue, because its lease runs. */
  maxWaitMs: number;
};

/** What is further ahead was written by a clock that was ahead. It is ignored. */
const MAX_AHEAD_MS = 60_000;
/** SQL over a row of `transport_pace`, with the time as `?2`: when the transport is free. */
export const freeAt = `CASE WHEN free_at > ?2 + ${MAX_AHEAD_MS} THEN ?2 ELSE MAX(free_at, ?2) END`;

const recoveredMs = `slowed_ms
  / pow(${pacing.recoveryPerMinute}, MAX(?2 - slowed_at, 0) / 60000.0)`;
/** SQL likewise: what of the last slow-down is left, in milliseconds per email; 0 for nothing. */
export const slowedMs = `CASE WHEN slowed_ms IS NULL THEN 0
  WHEN ${recoveredMs} <= ${pacing.fastestEveryMs} THEN 0 ELSE ${recoveredMs} END`;

/**
 * Reserves the share, unless it is too far ahead, or takes longer than a group may at the rate that
 * is left. For a batch with the statements that depend on it, see `mayGoTo`.
 */
export function reserveRate(
  db: D1Database,
  { transport, emails, everyMs, groupId, maxWaitMs }: Reservation,
  now: number,
): D1PreparedStatement {
  const spanMs = `CAST(ceil(?3 * MAX(?6, ${slowedMs})) AS INTEGER)`;
  return db
    .prepare(
      `INSERT INTO transport_pace (transport, free_at, granted_to)
       VALUES (?1, ?2 + CAST(ceil(?3 * ?6) AS INTEGER), ?4)
       ON CONFLICT (transport) DO UPDATE SET free_at = ${freeAt} + ${spanMs}, granted_to = ?4
       WHERE granted_to <> ?4 AND ${freeAt} <= ?2 + ?5
         AND (?3 = 1 OR ${spanMs} <= ${GROUP_SPAN_MS})`,
    )
    .bind(transport, now, emails, groupId, maxWaitMs, everyMs ?? 0);
}

/**
 * SQL, with the time as `?2`: whether a group may go to the transport. It has its reservation, or
 * without `groupId` there is no rate; and no limit closes the transport.
 */
export const mayGoTo = (transport: string, groupId: string): string =>
  `iif(${groupId} IS NULL,
     NOT EXISTS (SELECT 1 FROM transport_pace AS p WHERE p.transport = ${transport}
                 AND (p.closed_until > ?2 OR ${slowedMs} > 0)),
     EXISTS (SELECT 1 FROM transport_pace AS p WHERE p.transport = ${transport}
             AND p.granted_to = ${groupId} AND p.closed_until <= ?2))`;

/** SQL, with the time as `?2`: the transports that a limit closes. */
export const closedTransports = "SELECT transport FROM transport_pace WHERE closed_until > ?2";

/**
 * What D1 has of a transport's pace at a time. `grantedTo`: the group with the last reservation
 * before it is free. `slowedMs`: milliseconds per email by answers about the rate, 0 for no limit.
 */
export type Pace = {
  transport: TransportName;
  freeAt: number;
  grantedTo: string;
  slowedMs: number;
  closedUntil: number;
};

export function readPace(
  db: D1Database,
  transports: readonly TransportName[],
  now: number,
): D1PreparedStatement {
  return db
    .prepare(
      `SELECT transport, free_at AS freeAt, granted_to AS grantedTo, ${slowedMs} AS slowedMs,
         closed_until AS closedUntil FROM transport_pace
       WHERE transport IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(transports), now);
}

/** SQL: emails that a transport took within so many milliseconds. */
const taken = (withinMs: number): string => `(SELECT COUNT(*) FROM (SELECT 1 FROM emails
   WHERE status IN (${overStatuses.map((status) => `'${status}'`).join(", ")})
     AND updated_at > ?2 - ${withinMs} AND transport = ?1 LIMIT ${pacing.countedPerMinute}))`;

/** SQL: how many emails the fleet has handed over within the last second. */
const underWay = `${taken(1_000)}
  + (SELECT COUNT(*) FROM emails
     WHERE status IN ('claimed', 'sending') AND status = 'sending' AND transport = ?1)`;

/**
 * Slows a transport down, as `slowedBy` decides, and closes it if its limit resets late. For the
 * batch that records the outcomes, before them: until then the group is under way. Safe to repeat:
 * what began before the last slow-down does not count again.
 */
export function noteRateAnswer(
  db: D1Database,
  { transport, beganAt, closedUntil, detail }: RateAnswer,
  everyMs: number | null,
  now: number,
): D1PreparedStatement[] {
  const currentMs = `CASE WHEN MAX(?4, ${slowedMs}) > 0 THEN MAX(?4, ${slowedMs})
    ELSE 1000.0 / MAX(${underWay}, 1) END`;
  return [
    db
      .prepare(
        `INSERT INTO transport_pace (transport, free_at, granted_to) VALUES (?1, ?2, '')
         ON CONFLICT (transport) DO NOTHING`,
      )
      .bind(transport, now),
    db
      .prepare(
        `UPDATE transport_pace SET slowed_at = ${freeAt},
           slowed_ms = (SELECT MAX(ms, MIN(${pacing.slowedBy} * ms, ${pacing.slowedBy} * 60000.0
               / MAX(${taken(60_000)}, ${pacing.leastPerMinute})))
             FROM (SELECT ${currentMs} AS ms))
         WHERE transport = ?1 AND (slowed_at IS NULL OR slowed_at + ${pacing.settleMs} <= ?3
           OR slowed_at > ?2 + ${MAX_AHEAD_MS})`,
      )
      .bind(transport, now, beganAt, everyMs ?? 0),
    ...(closedUntil === null
      ? []
      : [
          db
            .prepare(
              `UPDATE transport_pace SET closed_until = ?2, closed_by = ?3
               WHERE transport = ?1 AND closed_until < ?2`,
            )
            .bind(transport, closedUntil, JSON.stringify(detail)),
        ]),
  ];
}

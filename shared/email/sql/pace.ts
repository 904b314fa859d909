import type { TransportName } from "../rules/transports.ts";

/**
 * SQL of the rates at which the whole fleet hands emails to a transport. A transport has one row
 * with the time from which on it is free. A group of emails reserves its share by moving that time,
 * as a leaky bucket does (GCRA, ITU-T I.371).
 */

/**
 * A group of emails for one transport. `groupId` names the group, so that a repeat of the same
 * request reserves nothing more.
 */
export type Reservation = {
  transport: TransportName;
  emails: number;
  everyMs: number;
  groupId: string;
  /** A group that would wait longer than this returns to the queue, because its lease runs. */
  maxWaitMs: number;
};

/** A reservation further ahead was made by a clock that was ahead. It is ignored. */
const MAX_AHEAD_MS = 60_000;
/** SQL over a row of `transport_pace`, with the time as `?2`: when the transport is free. */
export const freeAt = `CASE WHEN free_at > ?2 + ${MAX_AHEAD_MS} THEN ?2 ELSE MAX(free_at, ?2) END`;

/**
 * Reserves the share, unless it is too far ahead. For a batch with the statements that depend on
 * it, see `hasReservation`.
 */
export function reserveRate(
  db: D1Database,
  { transport, emails, everyMs, groupId, maxWaitMs }: Reservation,
  now: number,
): D1PreparedStatement {
  const spanMs = Math.ceil(emails * everyMs);
  return db
    .prepare(
      `INSERT INTO transport_pace (transport, free_at, granted_to) VALUES (?1, ?2 + ?3, ?4)
       ON CONFLICT (transport) DO UPDATE SET free_at = ${freeAt} + ?3, granted_to = ?4
       WHERE granted_to <> ?4 AND ${freeAt} <= ?2 + ?5`,
    )
    .bind(transport, now, spanMs, groupId, maxWaitMs);
}

/** SQL: whether that group has its reservation. */
export const hasReservation = (transport: string, groupId: string): string =>
  `EXISTS (SELECT 1 FROM transport_pace p
           WHERE p.transport = ${transport} AND p.granted_to = ${groupId})`;

/** When a transport is free, and which group has the last reservation before that. */
export type Pace = { transport: TransportName; freeAt: number; grantedTo: string };

export function readPace(db: D1Database, transports: TransportName[]): D1PreparedStatement {
  return db
    .prepare(
      `SELECT transport, free_at AS freeAt, granted_to AS grantedTo FROM transport_pace
       WHERE transport IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(transports));
}

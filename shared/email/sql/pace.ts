import type { TransportName } from "../rules/transports.ts";

/**
 * SQL of pacing: how fast the whole fleet hands mails to one transport. A transport has one row
 * with the moment from which on it is free; who hands over a group moves that by the group's share,
 * as a leaky bucket does (GCRA, ITU-T I.371).
 */

/**
 * A group of mails that wants its turn. `grant` names it, so that a repeat of the same request
 * takes no second turn.
 */
export type Turn = { transport: TransportName; mails: number; everyMs: number; grant: string };

/** Whoever would wait longer than this for a turn comes back later: its lease runs. */
const MAX_WAIT_MS = 5_000;

/** No turn that was taken lies further ahead: a clock that was ahead took it. */
const MAX_AHEAD_MS = 60_000;
const freeAt = `CASE WHEN free_at > ?2 + ${MAX_AHEAD_MS} THEN ?2 ELSE MAX(free_at, ?2) END`;

/**
 * Takes the turn, unless it is too far away. For a batch with the statements that depend on it, see
 * `hasTurn`.
 */
export function takeTurn(
  db: D1Database,
  { transport, mails, everyMs, grant }: Turn,
  now: number,
): D1PreparedStatement {
  const spanMs = Math.ceil(mails * everyMs);
  return db
    .prepare(
      `INSERT INTO transport_pace (transport, free_at, granted_to) VALUES (?1, ?2 + ?3, ?4)
       ON CONFLICT (transport) DO UPDATE SET free_at = ${freeAt} + ?3, granted_to = ?4
       WHERE granted_to <> ?4 AND ${freeAt} <= ?2 + ?5`,
    )
    .bind(transport, now, spanMs, grant, MAX_WAIT_MS);
}

/** SQL: whether the turn of that group was taken. */
export const hasTurn = (transport: string, grant: string): string =>
  `EXISTS (SELECT 1 FROM transport_pace p WHERE p.transport = ${transport} AND p.granted_to = ${grant})`;

/** When a transport is free, and whose turn comes before that. */
export type Pace = { transport: TransportName; freeAt: number; grantedTo: string };

export function readPace(db: D1Database, transports: TransportName[]): D1PreparedStatement {
  return db
    .prepare(
      `SELECT transport, free_at AS freeAt, granted_to AS grantedTo FROM transport_pace WHERE transport IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(transports));
}

/**
 * Nobody waits for longer than this for a turn that was never taken: a clock that was ahead
 * reserved it.
 */
const MAX_BACKLOG_MS = 86_400_000;

/**
 * Reserves the times at which mails come back that found no turn, behind those that others
 * reserved.
 *
 * @returns the first of them
 */
export async function queueUp(
  db: D1Database,
  transport: TransportName,
  spanMs: number,
  now: number,
): Promise<number> {
  const from = `MAX(CASE WHEN backlog_at > ?2 + ${MAX_BACKLOG_MS} THEN ?2 ELSE backlog_at END, ${freeAt})`;
  const reserved = await db
    .prepare(
      `UPDATE transport_pace SET backlog_at = ${from} + ?3 WHERE transport = ?1 RETURNING backlog_at - ?3 AS fromAt`,
    )
    .bind(transport, now, Math.ceil(spanMs))
    .first<number>("fromAt");
  return reserved ?? now;
}

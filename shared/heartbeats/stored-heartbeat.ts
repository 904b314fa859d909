import type { Flip, HeartbeatState } from "./rules/heartbeat.ts";
import { MAX_PINGS, type HeartbeatDefinition, type KeptPing } from "./rules/rpc.ts";

/**
 * SQL of a heartbeat, in its object's storage. The tables are made with the definition: a ping
 * under a token of nobody writes nothing.
 */

/** Flips that D1 has not recorded yet; the oldest beyond these are dropped. */
const MAX_FLIPS = 100;

export type StoredHeartbeat = { definition: HeartbeatDefinition; state: HeartbeatState };

/** The values of `notified` in the table of flips. */
const NOTIFIED = 1;
const REPORTED = 2;

/** `isNotified`: the webhook was notified of it without D1. */
export type StoredFlip = { n: number; flip: Flip; isNotified: boolean };

export function createHeartbeatTables(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS heartbeat (
      one INTEGER PRIMARY KEY CHECK (one = 1), definition TEXT NOT NULL, state TEXT NOT NULL,
      pings INTEGER NOT NULL DEFAULT 0, flips INTEGER NOT NULL DEFAULT 0, retry_at INTEGER
    ) STRICT;
    CREATE TABLE IF NOT EXISTS pings (
      n INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, rid TEXT,
      exit_status INTEGER, duration_ms INTEGER, method TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS flips (
      n INTEGER PRIMARY KEY, flip TEXT NOT NULL, notified INTEGER NOT NULL DEFAULT 0
    ) STRICT;`);
}

const hasTable = (sql: SqlStorage, name: string): boolean =>
  sql.exec("SELECT 1 FROM sqlite_master WHERE name = ?1", name).toArray().length > 0;

type HeartbeatRow = { definition: string; state: string };

export function readHeartbeat(sql: SqlStorage): StoredHeartbeat | null {
  if (!hasTable(sql, "heartbeat")) return null;
  const [row] = sql
    .exec<HeartbeatRow>("SELECT definition, state FROM heartbeat WHERE one = 1")
    .toArray();
  if (row === undefined) return null;
  return {
    definition: JSON.parse(row.definition) as HeartbeatDefinition,
    state: JSON.parse(row.state) as HeartbeatState,
  };
}

/** To be called in a transaction, with what changed at once. */
export function saveHeartbeat(
  sql: SqlStorage,
  { definition, state }: StoredHeartbeat,
  flips: readonly Flip[],
): void {
  sql.exec(
    `INSERT INTO heartbeat (one, definition, state) VALUES (1, ?1, ?2)
     ON CONFLICT (one) DO UPDATE SET definition = ?1, state = ?2`,
    JSON.stringify(definition),
    JSON.stringify(state),
  );
  for (const flip of flips) {
    sql.exec("UPDATE heartbeat SET flips = flips + 1 WHERE one = 1");
    sql.exec(
      "INSERT INTO flips (n, flip) SELECT flips, ?1 FROM heartbeat WHERE one = 1",
      JSON.stringify(flip),
    );
  }
  if (flips.length > 0)
    sql.exec(
      `DELETE FROM flips WHERE n <= (SELECT flips FROM heartbeat WHERE one = 1) - ?1
         AND notified < ${REPORTED}`,
      MAX_FLIPS,
    );
}

export function savePing(sql: SqlStorage, ping: Omit<KeptPing, "n">): void {
  sql.exec("UPDATE heartbeat SET pings = pings + 1 WHERE one = 1");
  sql.exec(
    `INSERT INTO pings (n, at, kind, rid, exit_status, duration_ms, method, body)
     SELECT pings, ?1, ?2, ?3, ?4, ?5, ?6, ?7 FROM heartbeat WHERE one = 1`,
    ping.at,
    ping.kind,
    ping.rid,
    ping.exitStatus,
    ping.durationMs,
    ping.method,
    ping.body,
  );
  sql.exec(
    "DELETE FROM pings WHERE n <= (SELECT pings FROM heartbeat WHERE one = 1) - ?1",
    MAX_PINGS,
  );
}

export function countPings(sql: SqlStorage): number {
  return sql.exec<{ pings: number }>("SELECT pings FROM heartbeat WHERE one = 1").one().pings;
}

export function readPings(sql: SqlStorage, before: number | null, limit: number): KeptPing[] {
  return sql
    .exec<KeptPing>(
      `SELECT n, at, kind, rid, exit_status AS exitStatus, duration_ms AS durationMs, method, body
       FROM pings WHERE n < ?1 ORDER BY n DESC LIMIT ?2`,
      before ?? Number.MAX_SAFE_INTEGER,
      limit,
    )
    .toArray();
}

/** The flips that D1 has not recorded, oldest first. */
export function readFlips(sql: SqlStorage): StoredFlip[] {
  return sql
    .exec<{ n: number; flip: string; notified: number }>(
      `SELECT n, flip, notified FROM flips WHERE n > 0 AND notified < ${REPORTED} ORDER BY n`,
    )
    .toArray()
    .map(({ n, flip, notified }) => ({
      n,
      flip: JSON.parse(flip) as Flip,
      isNotified: notified === NOTIFIED,
    }));
}

export function markFlipNotified(sql: SqlStorage, n: number): void {
  sql.exec(`UPDATE flips SET notified = ${NOTIFIED} WHERE n = ?1`, n);
}

/** D1 has recorded it. It is kept for a while, with when that was, and counts for the limit. */
export function markFlipReported(sql: SqlStorage, n: number, at: number): void {
  sql.exec(
    `UPDATE flips SET notified = ${REPORTED}, flip = json_object('at', ?2) WHERE n = ?1`,
    n,
    at,
  );
}

/** When flips were reported from a time to `now`, oldest first. Others are forgotten. */
export function reportsSince(sql: SqlStorage, from: number, now: number): number[] {
  sql.exec(
    `DELETE FROM flips WHERE n > 0 AND notified = ${REPORTED}
       AND flip ->> 'at' NOT BETWEEN ?1 AND ?2`,
    from,
    now,
  );
  return sql
    .exec<{ at: number }>(
      `SELECT flip ->> 'at' AS at FROM flips WHERE n > 0 AND notified = ${REPORTED} ORDER BY n`,
    )
    .toArray()
    .map(({ at }) => at);
}

/** Leaves of the flips that D1 has not recorded only the latest. */
export function dropEarlierFlips(sql: SqlStorage): void {
  sql.exec(
    `DELETE FROM flips WHERE notified < ${REPORTED} AND n < (SELECT flips FROM heartbeat
       WHERE one = 1)`,
  );
}

/** When the flips that are left are tried again; null if none is. */
export function saveRetryAt(sql: SqlStorage, at: number | null): void {
  sql.exec("UPDATE heartbeat SET retry_at = ?1 WHERE one = 1", at);
}

export function readRetryAt(sql: SqlStorage): number | null {
  return sql.exec<{ at: number | null }>("SELECT retry_at AS at FROM heartbeat WHERE one = 1").one()
    .at;
}

/** Until when a deleted heartbeat is remembered; null if none was deleted. */
export function readEnd(sql: SqlStorage): number | null {
  if (!hasTable(sql, "deletion")) return null;
  const [end] = sql.exec<{ until: number }>("SELECT until FROM deletion WHERE one = 1").toArray();
  return end?.until ?? null;
}

/** The only table of a deleted heartbeat. */
export function saveEnd(sql: SqlStorage, until: number): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS deletion (
    one INTEGER PRIMARY KEY CHECK (one = 1), until INTEGER NOT NULL
  ) STRICT`);
  sql.exec("INSERT OR REPLACE INTO deletion (one, until) VALUES (1, ?1)", until);
}

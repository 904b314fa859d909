import {
  IDLE_MS,
  MAX_REGISTERED,
  REFUSED_MS,
  type RefusalReason,
} from "./rules/breaker-registry.ts";
import type { BreakerAnnouncement, RefusedBreakers, RegisteredBreaker } from "./rules/rpc.ts";

/** SQL of the registered circuit breakers, in the storage of the object `Telemetry`. */

/** Of further ones nothing is stored. The count is then at least this. */
const MAX_REFUSED = 200;
/** An announcement that was overtaken by a newer one arrives within this. */
const OVERTAKEN_MS = 3_600_000;

export function createBreakerRegistry(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS breakers (
      name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, standing TEXT NOT NULL,
      reported_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS refused_breakers (
      object TEXT PRIMARY KEY, reason TEXT NOT NULL, at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;`);
}

/**
 * Registers a breaker, or stores its standing. An announcement that a newer one has overtaken
 * changes nothing. To be called in a transaction.
 *
 * @returns null if the breaker is registered, or why it is not
 */
export function registerBreaker(
  sql: SqlStorage,
  { name, object, ...standing }: BreakerAnnouncement,
  now: number,
): RefusalReason | null {
  sql.exec("DELETE FROM breakers WHERE reported_at < ?", now - IDLE_MS);
  sql.exec("DELETE FROM refused_breakers WHERE at < ?", now - REFUSED_MS);
  const refused = name === null ? "name" : hasRoomFor(sql, name) ? null : "full";
  if (name === null || refused !== null) {
    sql.exec(
      `INSERT INTO refused_breakers (object, reason, at)
       SELECT ?1, ?2, ?3 WHERE (SELECT COUNT(*) FROM refused_breakers) < ?4
         OR EXISTS (SELECT 1 FROM refused_breakers WHERE object = ?1)
       ON CONFLICT (object) DO UPDATE SET reason = ?2, at = ?3`,
      object,
      refused,
      now,
      MAX_REFUSED,
    );
    return refused;
  }
  sql.exec("DELETE FROM refused_breakers WHERE object = ?", object);
  sql.exec(
    `INSERT INTO breakers (name, epoch, standing, reported_at) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (name) DO UPDATE SET epoch = ?2, standing = ?3, reported_at = ?4
       WHERE epoch <= ?2 OR reported_at <= ?4 - ${OVERTAKEN_MS}`,
    name,
    standing.epoch,
    JSON.stringify(standing),
    now,
  );
  return null;
}

function hasRoomFor(sql: SqlStorage, name: string): boolean {
  const { others, known } = sql
    .exec<{ others: number; known: number }>(
      "SELECT COUNT(*) AS others, COALESCE(SUM(name = ?), 0) AS known FROM breakers",
      name,
    )
    .one();
  return known > 0 || others < MAX_REGISTERED;
}

/** By name. */
export function readRegistered(sql: SqlStorage, now: number): RegisteredBreaker[] {
  return sql
    .exec<{ name: string; standing: string; at: number }>(
      `SELECT name, standing, reported_at AS at FROM breakers WHERE reported_at >= ?
       ORDER BY name`,
      now - IDLE_MS,
    )
    .toArray()
    .map(({ name, standing, at }) => ({
      ...(JSON.parse(standing) as Omit<RegisteredBreaker, "name" | "reportedAt">),
      name,
      reportedAt: at,
    }));
}

export function countRefused(sql: SqlStorage, now: number): RefusedBreakers {
  const rows = sql
    .exec<{ reason: RefusalReason; count: number }>(
      "SELECT reason, COUNT(*) AS count FROM refused_breakers WHERE at >= ? GROUP BY reason",
      now - REFUSED_MS,
    )
    .toArray();
  return { full: 0, name: 0, ...Object.fromEntries(rows.map((row) => [row.reason, row.count])) };
}

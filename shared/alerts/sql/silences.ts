import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import type { Silence } from "../rules/silences.ts";

/** SQL of silences. They are few: operators make them. */

const MOST = 1_000;

const columns = `id, match, reason, created_by AS createdBy, starts_at AS startsAt,
  ends_at AS endsAt`;

/** The silences that are not over, those that end first before the others. */
const selectSilences = `SELECT ${columns} FROM alert_silences
  WHERE ends_at > ?1 ORDER BY ends_at, id LIMIT ${MOST}`;

export async function findSilences(db: D1Database, now: number): Promise<Silence[]> {
  const { results } = await db.prepare(selectSilences).bind(now).all<Silence>();
  return results;
}

export async function insertSilence(
  db: D1Database,
  silence: Silence,
  { keyed, now }: { keyed: KeyedRequest | null; now: number } = { keyed: null, now: 0 },
): Promise<void> {
  const { id, match, reason, createdBy, startsAt, endsAt } = silence;
  await db.batch([
    db
      .prepare(
        `INSERT INTO alert_silences (id, match, reason, created_by, starts_at, ends_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
      )
      .bind(id, match, reason, createdBy, startsAt, endsAt),
    ...insertCreated(db, keyed, now, {
      created: "SELECT id FROM alert_silences WHERE id = ?1",
      bound: [id],
    }),
  ]);
}

export async function findSilence(db: D1Database, id: string): Promise<Silence | null> {
  return await db
    .prepare(`SELECT ${columns} FROM alert_silences WHERE id = ?1`)
    .bind(id)
    .first<Silence>();
}

/** @returns false if there is no such silence, or it is over */
export async function stopSilence(db: D1Database, id: string, now: number): Promise<boolean> {
  const ended = await db
    .prepare("UPDATE alert_silences SET ends_at = ?2 WHERE id = ?1 AND ends_at > ?2")
    .bind(id, now)
    .run();
  return ended.meta.changes > 0;
}

/** Silences that ended before a time. */
export const oldSilences: ExpiringRows = {
  table: "alert_silences",
  key: "id",
  isOver: "ends_at < ?1",
};

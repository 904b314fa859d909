import type { ExpiringRows } from "../../database/expiring.ts";
import type { Cursor } from "../../http/lists.ts";
import type { DeliveryDeadReason, DeliveryStatus } from "../rules/delivery.ts";

/** SQL of deliveries as their owners see and replay them. */

/** One attempt: what came back, at most 1 KB. */
export type Attempt = {
  at: number;
  tookMs: number;
  outcome: string;
  status?: number;
  answer?: string;
};

/** The status `delivering` of a delivery is `pending` with an attempt under way. */
export type StoredDelivery = {
  id: string;
  type: string;
  status: DeliveryStatus;
  generation: number;
  attempts: number;
  dueAt: number;
  reason: DeliveryDeadReason | null;
  log: Attempt[];
  createdAt: number;
  updatedAt: number;
};

type Row = Omit<StoredDelivery, "log"> & { log: string };

const columns = `id, type, status, generation, attempts, due_at AS dueAt, reason, log,
  created_at AS createdAt, updated_at AS updatedAt`;

const deliveryFrom = ({ log, ...row }: Row): StoredDelivery => ({
  ...row,
  log: JSON.parse(log) as Attempt[],
});

/** One page of an endpoint's deliveries, newest first. @param onlyDead those that are dead */
export async function findDeliveries(
  db: D1Database,
  { target, onlyDead }: { target: string; onlyDead: boolean },
  before: Cursor | null,
  limit: number,
): Promise<StoredDelivery[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM deliveries
       WHERE target = ?1 ${onlyDead ? "AND status = 'dead'" : ""}
         AND (created_at, id) < (?2, ?3)
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(target, before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit)
    .all<Row>();
  return results.map(deliveryFrom);
}

/** SQL: begins the next generation, with the time as `?1`. */
const replayed = `status = 'pending', generation = generation + 1, attempts = 0, first_at = NULL,
  due_at = ?1, reason = NULL, updated_at = ?1`;

/** Replays one delivery that has ended. @returns its status before; null if there is none */
export async function replayOne(
  db: D1Database,
  { id, target }: { id: string; target: string },
  now: number,
): Promise<{ replayed: boolean } | null> {
  const [changed, found] = await db.batch([
    db
      .prepare(
        `UPDATE deliveries SET ${replayed}
         WHERE id = ?2 AND target = ?3 AND status IN ('dead', 'delivered') RETURNING id`,
      )
      .bind(now, id, target),
    db.prepare("SELECT 1 FROM deliveries WHERE id = ?1 AND target = ?2").bind(id, target),
  ]);
  if (found?.results.length !== 1) return null;
  return { replayed: changed?.results.length === 1 };
}

/** `since`, `until`: when the event was fanned out. `type`: null for any. */
export type ReplayFilter = { target: string; type: string | null; since: number; until: number };

/** Replays a receiver's dead deliveries, oldest first. @returns their ids */
export async function replayDead(
  db: D1Database,
  { target, type, since, until }: ReplayFilter,
  now: number,
  limit: number,
): Promise<string[]> {
  const { results } = await db
    .prepare(
      `UPDATE deliveries SET ${replayed} WHERE id IN (
         SELECT id FROM deliveries
         WHERE target = ?2 AND status = 'dead' AND created_at >= ?3 AND created_at < ?4
           AND (?5 IS NULL OR type = ?5)
         ORDER BY created_at, id LIMIT ?6) RETURNING id`,
    )
    .bind(now, target, since, until, type, limit)
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}

/** After their retention, also those that still wait for a paused endpoint. */
export const oldDeliveries: ExpiringRows = {
  table: "deliveries",
  key: "id",
  isOver: "created_at <= ?1",
};

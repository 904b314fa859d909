import { ownerOfTenant } from "../../accounts/sql/owners.ts";
import {
  findAnswer,
  insertAnswer,
  type FirstAnswer,
  type KeyedRequest,
} from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import type { Cursor } from "../../http/lists.ts";
import type { Flip } from "../rules/heartbeat.ts";
import type { HeartbeatSchedule } from "../rules/schedule.ts";

/** SQL of what the owners of heartbeats want, and of what the objects report. */

export const MAX_HEARTBEATS_OF_TENANT = 100;

export type HeartbeatRow = {
  id: string;
  token: string;
  tenant: string;
  name: string;
  schedule: HeartbeatSchedule;
  graceMs: number;
  isPaused: boolean;
  pauseRevision: number;
  revision: number;
  isEnded: boolean;
  createdAt: number;
  updatedAt: number;
};
type Row = Omit<HeartbeatRow, "schedule" | "isPaused" | "isEnded"> & {
  schedule: string;
  isPaused: number;
  isEnded: number;
};

const columns = `id, token, tenant, name, schedule, grace_ms AS graceMs, paused AS isPaused,
  pause_revision AS pauseRevision, revision, ended AS isEnded, created_at AS createdAt,
  updated_at AS updatedAt`;

const heartbeatFrom = ({ schedule, isPaused, isEnded, ...row }: Row): HeartbeatRow => ({
  ...row,
  schedule: JSON.parse(schedule) as HeartbeatSchedule,
  isPaused: isPaused === 1,
  isEnded: isEnded === 1,
});
const firstOf = ({ results }: D1Result): HeartbeatRow | null => {
  const [row] = results as Row[];
  return row === undefined ? null : heartbeatFrom(row);
};

export type NewHeartbeat = Pick<
  HeartbeatRow,
  "id" | "token" | "tenant" | "name" | "schedule" | "graceMs"
>;
export type CreatedHeartbeat =
  | { tag: "created"; heartbeat: HeartbeatRow }
  | { tag: "too-many" }
  /** A request with the same key was answered before. */
  | { tag: "answered"; first: FirstAnswer };

/** @param keyed its Idempotency-Key: the answer that is kept is the id */
export async function insertHeartbeat(
  db: D1Database,
  { id, token, tenant, name, schedule, graceMs }: NewHeartbeat,
  keyed: KeyedRequest | null,
  now: number,
): Promise<CreatedHeartbeat> {
  const hasRoom = "(SELECT COUNT(*) FROM heartbeats WHERE tenant = ?1 AND ended = 0) < ?2";
  const limit = [tenant, MAX_HEARTBEATS_OF_TENANT] as const;
  const insert = db
    .prepare(
      `INSERT INTO heartbeats (id, token, tenant, name, schedule, grace_ms, created_at, updated_at)
       SELECT ?3, ?4, ?1, ?5, ?6, ?7, ?8, ?8 WHERE ${hasRoom} RETURNING ${columns}`,
    )
    .bind(...limit, id, token, name, JSON.stringify(schedule), graceMs, now);
  const answer = { answer: "json_object('id', ?3)", condition: hasRoom, bound: [...limit, id] };
  try {
    const replies = await runBatch(db, {
      answered: keyed === null ? [] : insertAnswer(db, keyed, now, answer),
      insert,
    });
    const heartbeat = firstOf(replies.insert);
    return heartbeat === null ? { tag: "too-many" } : { tag: "created", heartbeat };
  } catch (error) {
    const first = keyed === null ? null : await findAnswer(db, keyed, now);
    if (first === null) throw error;
    return { tag: "answered", first };
  }
}

/** @param tenant whose it must be; null for any */
export async function findHeartbeat(
  db: D1Database,
  id: string,
  tenant: string | null,
): Promise<HeartbeatRow | null> {
  const row = await db
    .prepare(
      `SELECT ${columns} FROM heartbeats
       WHERE id = ?1 AND ended = 0 AND (?2 IS NULL OR tenant = ?2)`,
    )
    .bind(id, tenant)
    .first<Row>();
  return row === null ? null : heartbeatFrom(row);
}

/** One page, newest first. */
export async function findHeartbeats(
  db: D1Database,
  tenant: string | null,
  before: Cursor | null,
  limit: number,
): Promise<HeartbeatRow[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM heartbeats
       WHERE ${tenant === null ? "?1 IS NULL" : "tenant = ?1"} AND ended = 0
         AND (created_at, id) < (?2, ?3)
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(tenant, before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit)
    .all<Row>();
  return results.map(heartbeatFrom);
}

export type HeartbeatChanges = {
  name?: string | undefined;
  schedule?: HeartbeatSchedule | undefined;
  graceMs?: number | undefined;
  isPaused?: boolean | undefined;
  /** Of the heartbeat that the change is for; null for any. */
  readRevision?: number | null;
};
type OwnedHeartbeat = { id: string; tenant: string | null };

/** The next revision, which its object does not have yet. */
export async function saveHeartbeatChanges(
  db: D1Database,
  { id, tenant }: OwnedHeartbeat,
  { name, schedule, graceMs, isPaused, readRevision = null }: HeartbeatChanges,
  now: number,
): Promise<HeartbeatRow | null> {
  const reply = await db
    .prepare(
      `UPDATE heartbeats SET revision = revision + 1, pending = 1, updated_at = ?7,
         name = COALESCE(?3, name), schedule = COALESCE(?4, schedule),
         grace_ms = COALESCE(?5, grace_ms), paused = COALESCE(?6, paused),
         pause_revision = iif(?6 IS NULL, pause_revision, revision + 1)
       WHERE id = ?1 AND ended = 0 AND (?2 IS NULL OR tenant = ?2)
         AND (?8 IS NULL OR revision = ?8) RETURNING ${columns}`,
    )
    .bind(
      id,
      tenant,
      name ?? null,
      schedule === undefined ? null : JSON.stringify(schedule),
      graceMs ?? null,
      isPaused === undefined ? null : Number(isPaused),
      now,
      readRevision,
    )
    .all();
  return firstOf(reply);
}

/** It is not shown any more. Its row goes once its object is empty. */
export async function endHeartbeat(
  db: D1Database,
  { id, tenant }: OwnedHeartbeat,
  now: number,
): Promise<HeartbeatRow | null> {
  const reply = await db
    .prepare(
      `UPDATE heartbeats SET ended = 1, pending = 1, updated_at = ?3
       WHERE id = ?1 AND ended = 0 AND (?2 IS NULL OR tenant = ?2) RETURNING ${columns}`,
    )
    .bind(id, tenant, now)
    .all();
  return firstOf(reply);
}

/** The object has this revision. */
export async function markDefined(db: D1Database, id: string, revision: number): Promise<void> {
  await db
    .prepare("UPDATE heartbeats SET pending = 0 WHERE id = ?1 AND revision = ?2 AND ended = 0")
    .bind(id, revision)
    .run();
}

/** The object is empty. Its alert is over, so nothing refers to the row any more. */
export async function deleteEndedHeartbeat(
  db: D1Database,
  id: string,
  alertKey: string,
): Promise<void> {
  await db.batch([
    db.prepare("DELETE FROM heartbeats WHERE id = ?1 AND ended = 1").bind(id),
    db.prepare("DELETE FROM alerts WHERE key = ?1 AND fired_at IS NULL").bind(alertKey),
  ]);
}

/** What the objects may not have yet. */
export async function pendingHeartbeats(db: D1Database, limit: number): Promise<HeartbeatRow[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM heartbeats INDEXED BY heartbeats_pending
       WHERE pending = 1 ORDER BY id LIMIT ?1`,
    )
    .bind(limit)
    .all<Row>();
  return results.map(heartbeatFrom);
}

/** `email`: of the owner; null for the operator and for an owner without one. */
type FlipOwner = { tenant: string; email: string | null };

/**
 * Records a flip once, with its event.
 *
 * @returns whose it is; null if the heartbeat was deleted
 */
export async function recordFlip(
  db: D1Database,
  { id, n, flip }: { id: string; n: number; flip: Flip },
): Promise<FlipOwner | null> {
  const replies = await runBatch(db, {
    record: db
      .prepare(
        `UPDATE heartbeats SET flip = ?2, status = ?3, because = ?4, flipped_at = ?5
         WHERE id = ?1 AND flip < ?2`,
      )
      .bind(id, n, flip.to, flip.because, flip.at),
    owner: db
      .prepare(
        `SELECT h.tenant, u.email FROM heartbeats h
         LEFT JOIN users u ON u.user_id = ${ownerOfTenant("h.tenant")}
         WHERE h.id = ?1 AND h.ended = 0`,
      )
      .bind(id),
  });
  return (replies.owner.results[0] as FlipOwner | undefined) ?? null;
}

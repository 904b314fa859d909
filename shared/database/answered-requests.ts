import { DAY_MS } from "../lib/base/clock.ts";
import type { ExpiringRows } from "./expiring.ts";

/**
 * SQL of writes that came with an Idempotency-Key: for 24 h a repeat gets the first answer. The
 * record is written in the batch of the write.
 */

/**
 * A write with its key. `tenant`: who called. `requestHash`: what must be the same for a repeat.
 * `requestId`: distinguishes a repeat from the request itself.
 */
export type KeyedRequest = {
  tenant: string;
  operation: string;
  key: string;
  requestHash: string;
  requestId: string;
};

const KEPT_MS = DAY_MS;

/**
 * The statements that record the answer, for the batch of the write and before its other
 * statements. A live record of the same key makes the whole batch fail.
 *
 * @param written `answer`: SQL for the answer as JSON. `condition`: SQL that the write requires,
 *   too. `bound`: the values of both, from `?1`
 */
export function insertAnswer(
  db: D1Database,
  { tenant, operation, key, requestHash, requestId }: KeyedRequest,
  now: number,
  written: { answer: string; condition: string; bound: readonly unknown[] },
): D1PreparedStatement[] {
  const { answer, condition, bound } = written;
  const own = [tenant, operation, key, requestHash, requestId, now + KEPT_MS];
  const places = own.map((_, n) => `?${bound.length + n + 1}`);
  return [
    db
      .prepare(
        `DELETE FROM answered_requests
         WHERE tenant = ?1 AND operation = ?2 AND key = ?3 AND expires_at <= ?4`,
      )
      .bind(tenant, operation, key, now),
    db
      .prepare(
        `INSERT INTO answered_requests
           (tenant, operation, key, request_hash, request_id, expires_at, answer)
         SELECT ${places.join(", ")}, ${answer} WHERE ${condition}`,
      )
      .bind(...bound, ...own),
  ];
}

/**
 * The statements that record the id of what a batch creates as its answer, for the end of that
 * batch. A live record of the same key makes the whole batch fail.
 *
 * @param created SQL that selects the id as `id` once it is created, with `bound` from `?1`; no row
 *   if it is not
 */
export function insertCreated(
  db: D1Database,
  keyed: KeyedRequest | null,
  now: number,
  { created, bound }: { created: string; bound: readonly unknown[] },
): D1PreparedStatement[] {
  if (keyed === null) return [];
  const answer = `json_object('id', (${created}))`;
  return insertAnswer(db, keyed, now, { answer, condition: `EXISTS (${created})`, bound });
}

/** The first answer to a key, as JSON. */
export type FirstAnswer = { requestHash: string; requestId: string; answer: string };

export async function findAnswer(
  db: D1Database,
  { tenant, operation, key }: Pick<KeyedRequest, "tenant" | "operation" | "key">,
  now: number,
): Promise<FirstAnswer | null> {
  return await db
    .prepare(
      `SELECT request_hash AS requestHash, request_id AS requestId, answer FROM answered_requests
       WHERE tenant = ?1 AND operation = ?2 AND key = ?3 AND expires_at > ?4`,
    )
    .bind(tenant, operation, key, now)
    .first<FirstAnswer>();
}

/** Deletes at most `limit` expired answers. @returns how many */
export const expiredAnswers: ExpiringRows = {
  table: "answered_requests",
  key: "tenant, operation, key",
  isOver: "expires_at <= ?1",
};

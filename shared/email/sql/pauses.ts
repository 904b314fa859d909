import { runBatch } from "../../database/batch.ts";
import { LOOK_AGAIN_MS } from "../rules/pauses.ts";

/** SQL of pauses. They are few: operators make them. */

export type EmailPause = { scope: string; reason: string; createdAt: number };

/** SQL over a row `e` of `emails`: the address of its sender, which may have a name. */
const senderOf = `LOWER(RTRIM(SUBSTR(e.from_address, INSTR(e.from_address, '<') + 1), '>'))`;

/** Of a tenant whose account is suspended. No operator makes or ends it by itself. */
const ACCOUNT = "account:";
export const accountPause = (tenant: string): string => ACCOUNT + tenant;

/** SQL over a row `e` of `emails`: its sending is paused. */
export const isPaused = `EXISTS (SELECT 1 FROM email_pauses AS p WHERE p.scope IN
  ('all', 'tenant:' || e.tenant, '${ACCOUNT}' || e.tenant, 'sender:' || ${senderOf}))`;

/** Assignments of an UPDATE of what is paused at `now`. It waits without an end. */
export const waitsForPause = (now: string): string =>
  `due_at = ${now} + ${LOOK_AGAIN_MS}, ring_after = ${now} + 2 * ${LOOK_AGAIN_MS}, rings = 0,
   wait_class = 'paused', waits = 0, waiting_since = NULL, updated_at = ${now}`;

/** @returns the pause as it is stored: a repeat keeps its beginning */
export async function savePause(
  db: D1Database,
  { scope, reason, createdAt }: EmailPause,
): Promise<EmailPause> {
  const saved = await db
    .prepare(
      `INSERT INTO email_pauses (scope, reason, created_at) VALUES (?1, ?2, ?3)
       ON CONFLICT (scope) DO UPDATE SET reason = ?2
       RETURNING scope, reason, created_at AS createdAt`,
    )
    .bind(scope, reason, createdAt)
    .first<EmailPause>();
  if (saved === null) throw new Error("D1 returned no row for what it wrote");
  return saved;
}

const MOST = 1_000;

/** The first scope behind those of accounts. */
export const AFTER_ACCOUNTS = "account;";

/** Pauses, in the order of their scopes, except those of suspended accounts. */
export async function findPauses(db: D1Database): Promise<EmailPause[]> {
  const { results } = await db
    .prepare(
      `SELECT scope, reason, created_at AS createdAt FROM email_pauses
       WHERE scope > '${AFTER_ACCOUNTS}' ORDER BY scope LIMIT ${MOST}`,
    )
    .all<EmailPause>();
  return results;
}

/** How many paused emails become due at once when a pause ends. The others follow by themselves. */
const RELEASED = 1_000;

export type Released = { id: string; generation: number; dueAt: number }[];

/** What another pause holds is found again when it is due. */
export const releasePaused = (db: D1Database, now: number): D1PreparedStatement =>
  db
    .prepare(
      `UPDATE emails SET due_at = ?1, ring_after = ?1, wait_class = NULL, waits_from = ?1,
         updated_at = ?1
       WHERE id IN (SELECT id FROM emails WHERE status = 'queued' AND wait_class = 'paused'
                    AND due_at > 0 ORDER BY due_at LIMIT ${RELEASED})
       RETURNING id, generation, due_at AS dueAt`,
    )
    .bind(now);

/** Ends a pause. */
export async function deletePause(
  db: D1Database,
  scope: string,
  now: number,
): Promise<{ ended: boolean; due: Released }> {
  const replies = await runBatch(db, {
    ended: db.prepare("DELETE FROM email_pauses WHERE scope = ?1").bind(scope),
    due: releasePaused(db, now),
  });
  return {
    ended: replies.ended.meta.changes > 0,
    due: replies.due.results as Released,
  };
}

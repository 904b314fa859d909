import { runBatch } from "../../database/batch.ts";
import { accountPause, releasePaused, type Released } from "../../email/sql/pauses.ts";
import { tenantOfUser } from "../rules/keys.ts";
import type { User } from "../rules/schemas.ts";
import { insertUserPurge, type WithPurge } from "./user-purge.ts";
import { userColumns, userFrom, type UserRow } from "./users.ts";

/** SQL of suspended users: their keys are refused, and a pause of their own holds their emails. */

/** A repeat keeps the beginning. @returns null if there is no such user */
export async function suspend(
  db: D1Database,
  userId: string,
  reason: string,
  { purgeId, now }: WithPurge,
): Promise<User | null> {
  const replies = await runBatch(db, {
    purge: insertUserPurge(db, { userId }, { purgeId, now }),
    update: db
      .prepare(
        `UPDATE users SET suspended_at = COALESCE(suspended_at, ?2), suspended_reason = ?3,
           updated_at = MAX(?2, updated_at + 1)
         WHERE user_id = ?1 AND deleted_at IS NULL RETURNING ${userColumns}`,
      )
      .bind(userId, now, reason),
    pause: db
      .prepare(
        `INSERT INTO email_pauses (scope, reason, created_at)
         SELECT ?2, 'suspended', ?3 FROM users WHERE user_id = ?1 AND deleted_at IS NULL
         ON CONFLICT (scope) DO NOTHING`,
      )
      .bind(userId, accountPause(tenantOfUser(userId)), now),
  });
  return firstOf(replies.update);
}

/** @returns the emails that are due at once; the others follow by themselves */
export async function resume(
  db: D1Database,
  userId: string,
  { purgeId, now }: WithPurge,
): Promise<{ user: User | null; due: Released }> {
  const replies = await runBatch(db, {
    purge: insertUserPurge(db, { userId }, { purgeId, now }),
    ended: db
      .prepare("DELETE FROM email_pauses WHERE scope = ?1")
      .bind(accountPause(tenantOfUser(userId))),
    update: db
      .prepare(
        `UPDATE users SET suspended_at = NULL, suspended_reason = NULL,
           updated_at = iif(suspended_at IS NULL, updated_at, MAX(?2, updated_at + 1))
         WHERE user_id = ?1 AND deleted_at IS NULL RETURNING ${userColumns}`,
      )
      .bind(userId, now),
    due: releasePaused(db, now),
  });
  return { user: firstOf(replies.update), due: replies.due.results as Released };
}

function firstOf({ results }: D1Result): User | null {
  const [row] = results as UserRow[];
  return row === undefined ? null : userFrom(row);
}

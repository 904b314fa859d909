import { runBatch } from "../../database/batch.ts";
import { insertUserPurge, type WithPurge } from "./user-purge.ts";

/** SQL that deletes a user. */

/**
 * The outcome of a request to delete a user. `last-owner`: a team with other members would be left
 * without an owner.
 */
export type Deletion = "deleted" | "absent" | "last-owner";

/** Whether the row of `users` is the last owner of a team that has other members. */
const isLastOwner = `EXISTS (
  SELECT 1 FROM team_members mine WHERE mine.user_id = users.user_id AND mine.role = 'owner'
    AND NOT EXISTS (SELECT 1 FROM team_members o WHERE o.team_id = mine.team_id
                    AND o.role = 'owner' AND o.user_id <> users.user_id)
    AND EXISTS (SELECT 1 FROM team_members x WHERE x.team_id = mine.team_id
                AND x.user_id <> users.user_id))`;

/**
 * The rest of the batch. It deletes what must not remain of a deleted user, also if a concurrent
 * request deleted them.
 */
const isDeleted = "EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NOT NULL)";
const leftovers = [
  // Teams whose only member is the user, with their workspaces (by cascade).
  `DELETE FROM teams
   WHERE ${isDeleted} AND team_id IN (SELECT team_id FROM team_members WHERE user_id = ?1)
     AND NOT EXISTS (SELECT 1 FROM team_members m
                     WHERE m.team_id = teams.team_id AND m.user_id <> ?1)`,
  `DELETE FROM team_members WHERE user_id = ?1 AND ${isDeleted}`,
  `DELETE FROM workspaces WHERE owner_id = ?1 AND team_id IS NULL AND ${isDeleted}`,
  `DELETE FROM usage_reports WHERE user_id = ?1 AND ${isDeleted}`,
  `DELETE FROM user_activity WHERE user_id = ?1 AND ${isDeleted}`,
];

/**
 * Deletes a user, unless a team with other members would be left without an owner. Erases email,
 * key and scopes; deletes memberships, personal workspaces, activity and the list of usage reports;
 * and cancels the subscription. The usage is kept, and the id stays taken, so that no new user
 * inherits what still refers to it.
 */
export async function deleteUser(
  db: D1Database,
  id: string,
  { intentId, now }: WithPurge,
): Promise<Deletion> {
  const find = db.prepare("SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL").bind(id);
  const remove = db
    .prepare(
      `UPDATE users SET email = NULL, api_key_hash = NULL, api_key_prefix = NULL, scopes = '[]',
         deleted_at = ?2, updated_at = ?2
       WHERE user_id = ?1 AND deleted_at IS NULL AND NOT ${isLastOwner}`,
    )
    .bind(id, now);
  const replies = await runBatch(db, {
    find,
    purge: insertUserPurge(db, { userId: id }, { intentId, now }, `NOT ${isLastOwner}`),
    remove,
    cancel: db
      .prepare(
        `UPDATE subscriptions SET status = 'cancelled', ended_at = ?2
         WHERE user_id = ?1
           AND EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at = ?2)`,
      )
      .bind(id, now),
    leftovers: leftovers.map((sql) => db.prepare(sql).bind(id)),
  });
  if (replies.remove.meta.changes > 0) return "deleted";
  return replies.find.results[0] === undefined ? "absent" : "last-owner";
}

/** When a user was deleted; null if not deleted, undefined if there never was such a user. */
export async function findDeletion(db: D1Database, id: string): Promise<number | null | undefined> {
  const row = await db
    .prepare("SELECT deleted_at AS deletedAt FROM users WHERE user_id = ?1")
    .bind(id)
    .first<{ deletedAt: number | null }>();
  return row?.deletedAt;
}

import { intendPurge } from "./users.ts";

/** SQL of deleting a user. */

/**
 * What became of an order to delete a user. `last-owner`: a team with other members would be left
 * without an owner.
 */
export type Deletion = "deleted" | "absent" | "last-owner";

/** Whether a user is the last owner of a team that has other members. */
const lastOwner = (user: "?1" | "?2"): string =>
  `EXISTS (SELECT 1 FROM team_members mine WHERE mine.user_id = ${user} AND mine.role = 'owner'
     AND NOT EXISTS (SELECT 1 FROM team_members o WHERE o.team_id = mine.team_id AND o.role = 'owner' AND o.user_id <> ${user})
     AND EXISTS (SELECT 1 FROM team_members x WHERE x.team_id = mine.team_id AND x.user_id <> ${user}))`;

/**
 * What follows the deletion in its batch: of a user who is deleted nothing of this may stay,
 * whoever deleted them.
 */
const deleted = "EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NOT NULL)";
const leftovers = [
  // A team whose only member they are goes, and its workspaces with it.
  `DELETE FROM teams WHERE ${deleted} AND team_id IN (SELECT team_id FROM team_members WHERE user_id = ?1)
     AND NOT EXISTS (SELECT 1 FROM team_members m WHERE m.team_id = teams.team_id AND m.user_id <> ?1)`,
  `DELETE FROM team_members WHERE user_id = ?1 AND ${deleted}`,
  `DELETE FROM workspaces WHERE owner_id = ?1 AND team_id IS NULL AND ${deleted}`,
  `DELETE FROM usage_reports WHERE user_id = ?1 AND ${deleted}`,
  `DELETE FROM user_activity WHERE user_id = ?1 AND ${deleted}`,
];

/**
 * Deletes a user, unless a team with other members would be left without an owner: address, key and
 * scopes are erased, memberships, personal workspaces, activity and the list of their reports
 * deleted, and the subscription ends. What they used is kept, and the id stays taken, so that
 * nobody inherits what still refers to it.
 */
export async function deleteUser(
  db: D1Database,
  id: string,
  intentId: string,
  now: number,
): Promise<Deletion> {
  const [found, , gone] = await db.batch<{ lastOwner: number }>([
    db
      .prepare(
        `SELECT ${lastOwner("?1")} AS lastOwner FROM users WHERE user_id = ?1 AND deleted_at IS NULL`,
      )
      .bind(id),
    intendPurge(db, intentId, id, [], now, `NOT ${lastOwner("?2")}`),
    db
      .prepare(
        `UPDATE users SET email = NULL, api_key_hash = NULL, api_key_prefix = NULL, scopes = '[]', deleted_at = ?2, updated_at = ?2
         WHERE user_id = ?1 AND deleted_at IS NULL AND NOT ${lastOwner("?1")}`,
      )
      .bind(id, now),
    db
      .prepare(
        `UPDATE subscriptions SET status = 'cancelled', ended_at = ?2
         WHERE user_id = ?1 AND EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at = ?2)`,
      )
      .bind(id, now),
    ...leftovers.map((sql) => db.prepare(sql).bind(id)),
  ]);
  if ((gone?.meta.changes ?? 0) > 0) return "deleted";
  return found?.results[0] === undefined ? "absent" : "last-owner";
}

/** When a user was deleted: null if they are not, undefined if there never was one. */
export async function findDeletion(db: D1Database, id: string): Promise<number | null | undefined> {
  const row = await db
    .prepare("SELECT deleted_at AS deletedAt FROM users WHERE user_id = ?1")
    .bind(id)
    .first<{ deletedAt: number | null }>();
  return row?.deletedAt;
}

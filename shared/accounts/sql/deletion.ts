import { runBatch } from "../../database/batch.ts";
import { purgeTagsSql } from "../../database/purge-outbox/pending-purges.ts";
import { FOR_EVER, insertTenantEnd } from "../../email/sql/ended-tenants.ts";
import { accountPause } from "../../email/sql/pauses.ts";
import { teamKey, tenantOfUser } from "../rules/keys.ts";
import { deleteReceived } from "./answered-invitations.ts";
import { insertUserPurge, tagsOfPurge, type WithPurge } from "./user-purge.ts";
import type { WithNotice } from "./users.ts";

/** SQL that deletes a user. */

/**
 * The outcome of a request to delete a user. `last-owner`: a team with other members would be left
 * without an owner. `tags`: the cache tags to purge besides the user's.
 */
export type Deletion = { tag: "deleted"; tags: string[] } | { tag: "absent" | "last-owner" };

/** Whether the row of `users` is the last owner of a team that has other members. */
export const isLastOwner = `EXISTS (
  SELECT 1 FROM team_members mine WHERE mine.user_id = users.user_id AND mine.role = 'owner'
    AND NOT EXISTS (SELECT 1 FROM team_members o WHERE o.team_id = mine.team_id
                    AND o.role = 'owner' AND o.user_id <> users.user_id)
    AND EXISTS (SELECT 1 FROM team_members x WHERE x.team_id = mine.team_id
                AND x.user_id <> users.user_id))`;

/** SQL: the user `?2` is the only member of the row `mine` of `team_members`. */
const isOnlyMember = `NOT EXISTS (SELECT 1 FROM team_members m
  WHERE m.team_id = mine.team_id AND m.user_id <> ?2)`;
/** SQL: the tags of the teams that are deleted with the user `?2`: others may have been added. */
const tagsOfOwnTeams = `SELECT '${teamKey("")}' || team_id FROM team_members mine
  WHERE mine.user_id = ?2 AND ${isOnlyMember}`;

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
  `DELETE FROM pending_members WHERE user_id = ?1 AND ${isDeleted}`,
  `DELETE FROM address_changes WHERE user_id = ?1 AND ${isDeleted}`,
  `DELETE FROM workspaces WHERE owner_id = ?1 AND team_id IS NULL AND ${isDeleted}`,
  `DELETE FROM usage_reports WHERE user_id = ?1 AND ${isDeleted}`,
  `DELETE FROM user_activity WHERE user_id = ?1 AND ${isDeleted}`,
  // What waits for them is never delivered.
  `DELETE FROM webhook_endpoints WHERE tenant = '${tenantOfUser("")}' || ?1 AND ${isDeleted}`,
  `DELETE FROM api_keys WHERE owner = '${tenantOfUser("")}' || ?1 AND ${isDeleted}`,
  // Their objects are emptied by the sweep.
  `UPDATE heartbeats SET ended = 1, pending = 1
   WHERE tenant = '${tenantOfUser("")}' || ?1 AND ended = 0 AND ${isDeleted}`,
  `DELETE FROM email_template_versions WHERE tenant = '${tenantOfUser("")}' || ?1 AND ${isDeleted}`,
  `DELETE FROM email_templates WHERE tenant = '${tenantOfUser("")}' || ?1 AND ${isDeleted}`,
  `DELETE FROM senders WHERE tenant = '${tenantOfUser("")}' || ?1 AND ${isDeleted}`,
  `DELETE FROM sender_links WHERE tenant = '${tenantOfUser("")}' || ?1 AND ${isDeleted}`,
  // The tenant has ended: its emails are cancelled, and need no pause.
  `DELETE FROM email_pauses WHERE scope = '${accountPause(tenantOfUser(""))}' || ?1
     AND ${isDeleted}`,
];

/**
 * Deletes a user, unless a team with other members would be left without an owner. Erases email,
 * key and scopes; deletes memberships, personal workspaces, activity and the list of usage reports;
 * cancels the subscription, and ends the tenant: no email of it is sent any more. The usage is
 * kept, and the id stays taken, so that no new user inherits what still refers to it.
 */
export async function saveDeletion(
  db: D1Database,
  id: string,
  { purgeId, now, notice }: WithPurge & WithNotice,
): Promise<Deletion> {
  const find = db.prepare("SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL").bind(id);
  const remove = db
    .prepare(
      `UPDATE users SET email = NULL, api_key_hash = NULL, api_key_prefix = NULL, scopes = '[]',
         metadata = NULL, suspended_at = NULL, suspended_reason = NULL,
         deleted_at = ?2, updated_at = ?2
       WHERE user_id = ?1 AND deleted_at IS NULL AND NOT ${isLastOwner}`,
    )
    .bind(id, now);
  const replies = await runBatch(db, {
    find,
    notice,
    invitations: deleteReceived(db, id, `NOT ${isLastOwner}`),
    purge: insertUserPurge(
      db,
      { userId: id, furtherTags: tagsOfOwnTeams },
      { purgeId, now },
      `NOT ${isLastOwner}`,
    ),
    remove,
    cancel: db
      .prepare(
        `UPDATE subscriptions SET status = 'cancelled', ended_at = ?2
         WHERE user_id = ?1
           AND EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at = ?2)`,
      )
      .bind(id, now),
    end: insertTenantEnd(
      db,
      { tenant: tenantOfUser(id), until: FOR_EVER, now },
      { from: "users WHERE user_id = ?4 AND deleted_at = ?3", values: [id] },
    ),
    leftovers: leftovers.map((sql) => db.prepare(sql).bind(id)),
  });
  if (replies.remove.meta.changes > 0) return { tag: "deleted", tags: tagsOfPurge(replies.purge) };
  return { tag: replies.find.results[0] === undefined ? "absent" : "last-owner" };
}

/**
 * For a deletion whose reply was lost.
 *
 * @returns null if the user is not deleted
 */
export async function findDeletion(
  db: D1Database,
  id: string,
  { purgeId, now }: WithPurge,
): Promise<Deletion | null> {
  const row = await db
    .prepare(
      `SELECT deleted_at AS deletedAt, ${purgeTagsSql("?2")} AS tags FROM users
       WHERE user_id = ?1`,
    )
    .bind(id, purgeId)
    .first<{ deletedAt: number | null; tags: string | null }>();
  if (row === null) return { tag: "absent" };
  if (row.deletedAt === null) return null;
  return row.deletedAt === now
    ? { tag: "deleted", tags: JSON.parse(row.tags ?? "[]") as string[] }
    : { tag: "absent" };
}

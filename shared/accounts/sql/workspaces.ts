import { insertPurgeSql, purgeTagsSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { NewWorkspace, Role, AccountTier, Workspace } from "../rules/schemas.ts";
import { MAX_WORKSPACES_OF_USER } from "../rules/teams.ts";
import type { WithPurge } from "./user-purge.ts";

/** SQL that creates workspaces. */

/**
 * The facts that decide the creation of a workspace. `role`: in its team; undefined for a personal
 * workspace, null for a non-member.
 */
export type WorkspaceFacts = {
  tier: AccountTier | null;
  workspaces: number;
  role: Role | null | undefined;
};

export async function findWorkspaceFacts(
  db: D1Database,
  userId: string,
  teamId: string | null,
): Promise<WorkspaceFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT tier FROM users WHERE user_id = ?1 AND deleted_at IS NULL) AS tier,
              (SELECT COUNT(*) FROM workspaces WHERE owner_id = ?1) AS workspaces,
              (SELECT role FROM team_members WHERE team_id = ?2 AND user_id = ?1) AS role`,
    )
    .bind(userId, teamId)
    .first<{ tier: AccountTier | null; workspaces: number; role: Role | null }>();
  const facts = row ?? { tier: null, workspaces: 0, role: null };
  return { ...facts, role: teamId === null ? undefined : facts.role };
}

/** A new workspace, and the cache tags to purge: the workspace lists of all who see it. */
export type Created = { workspace: Workspace; tags: string[] };

/**
 * Creates a workspace if tier and role are still as read and the owner is below the limit.
 *
 * @returns null if not: nothing was written
 */
export async function insertWorkspace(
  db: D1Database,
  wanted: NewWorkspace & { workspaceId: string; ownerId: string },
  { tier, role }: WorkspaceFacts,
  { intentId, now }: WithPurge,
): Promise<Created | null> {
  const { workspaceId, ownerId, name, teamId = null } = wanted;
  const [inserted, intended] = await db.batch([
    db
      .prepare(
        `INSERT INTO workspaces (workspace_id, team_id, owner_id, name, created_at)
         SELECT ?1, ?2, user_id, ?4, ?5 FROM users
         WHERE user_id = ?3 AND deleted_at IS NULL AND tier = ?6
           AND (?2 IS NULL
                OR (SELECT role FROM team_members WHERE team_id = ?2 AND user_id = ?3) = ?7)
           AND (SELECT COUNT(*) FROM workspaces WHERE owner_id = ?3) < ?8`,
      )
      .bind(workspaceId, teamId, ownerId, name, now, tier, role ?? null, MAX_WORKSPACES_OF_USER),
    // In one batch, so that no user can join the team between the two statements.
    db
      .prepare(
        insertPurgeSql({
          id: "?1",
          tags: `(SELECT json_group_array(REPLACE(?3, '*', user_id)) FROM (
            SELECT owner_id AS user_id
            UNION SELECT user_id FROM team_members m WHERE m.team_id = w.team_id))`,
          createdAt: "?4",
          from: "FROM workspaces w WHERE w.workspace_id = ?2 RETURNING tags",
        }),
      )
      .bind(intentId, workspaceId, relatedKey("*", "workspaces"), now),
  ]);
  if ((inserted?.meta.changes ?? 0) === 0) return null;
  const tags = (intended?.results[0] as { tags: string } | undefined)?.tags ?? "[]";
  const workspace = { workspaceId, name, teamId, createdAt: new Date(now).toISOString() };
  return { workspace, tags: JSON.parse(tags) as string[] };
}

/** For a creation whose reply was lost: the workspace, if it was committed. */
export async function findCreated(
  db: D1Database,
  workspaceId: string,
  intentId: string,
): Promise<Created | null> {
  const row = await db
    .prepare(
      `SELECT name, team_id AS teamId, created_at AS createdAt, ${purgeTagsSql("?2")} AS tags
       FROM workspaces WHERE workspace_id = ?1`,
    )
    .bind(workspaceId, intentId)
    .first<{ name: string; teamId: string | null; createdAt: number; tags: string | null }>();
  if (row === null) return null;
  // Without a pending purge the tags are empty: it has been delivered.
  const workspace = {
    workspaceId,
    name: row.name,
    teamId: row.teamId,
    createdAt: new Date(row.createdAt).toISOString(),
  };
  return { workspace, tags: JSON.parse(row.tags ?? "[]") as string[] };
}

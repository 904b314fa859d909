import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import { insertPurgeSql, purgeTagsSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { AccountTier, NewWorkspace, Role, Workspace } from "../rules/schemas.ts";
import {
  MAX_WORKSPACES_OF_TEAM,
  MAX_WORKSPACES_OF_USER,
  type NewWorkspaceFacts,
  type WorkspaceFacts,
} from "../rules/workspaces.ts";
import { tagsOfPurge, type WithPurge } from "./user-purge.ts";

/**
 * SQL of workspaces. Each write requires that the facts it was decided by have not changed. If they
 * have, it writes nothing and returns null.
 */

/** SQL: how many workspaces a user owns. Those of teams that the user has left are the team's. */
const countOwned = (userId: string): string => `(SELECT COUNT(*) FROM workspaces
  WHERE owner_id = ${userId} AND (team_id IS NULL OR team_id IN
    (SELECT team_id FROM team_members WHERE user_id = ${userId})))`;
const countInTeam = (teamId: string): string =>
  `(SELECT COUNT(*) FROM workspaces WHERE team_id = ${teamId})`;

export async function findNewWorkspaceFacts(
  db: D1Database,
  userId: string,
  teamId: string | null,
): Promise<NewWorkspaceFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT tier FROM users WHERE user_id = ?1 AND deleted_at IS NULL) AS tier,
              ${countOwned("?1")} AS workspaces, ${countInTeam("?2")} AS inTeam,
              (SELECT role FROM team_members WHERE team_id = ?2 AND user_id = ?1) AS role`,
    )
    .bind(userId, teamId)
    .first<{ tier: AccountTier | null; workspaces: number; inTeam: number; role: Role | null }>();
  const facts = row ?? { tier: null, workspaces: 0, inTeam: 0, role: null };
  return { ...facts, role: teamId === null ? undefined : facts.role };
}

/** A workspace after a write, and the cache tags to purge: the lists of all who see it. */
export type Written = { workspace: Workspace; tags: string[] };

type WorkspaceRow = { name: string; teamId: string | null; createdAt: number };
const columns = "name, team_id AS teamId, created_at AS createdAt";

const workspaceFrom = (workspaceId: string, { createdAt, ...row }: WorkspaceRow): Workspace => ({
  workspaceId,
  ...row,
  createdAt: new Date(createdAt).toISOString(),
});

/**
 * A statement that adds the purge of all lists that show the workspace. It returns their tags.
 *
 * @param condition SQL over the row `w`, with the workspace as `?1` and values of its own from `?5`
 */
function insertWorkspacePurge(
  db: D1Database,
  workspaceId: string,
  { purgeId, now }: WithPurge,
  { condition, values }: { condition: string; values: (string | null)[] } = {
    condition: "TRUE",
    values: [],
  },
): D1PreparedStatement {
  // In one batch with the write, so that no user can join the team between the two statements.
  return db
    .prepare(
      insertPurgeSql({
        id: "?2",
        tags: `(SELECT json_group_array(REPLACE(?3, '*', user_id)) FROM (
          SELECT owner_id AS user_id
          UNION SELECT user_id FROM team_members m WHERE m.team_id = w.team_id))`,
        createdAt: "?4",
        from: `FROM workspaces w WHERE w.workspace_id = ?1 AND ${condition} RETURNING tags`,
      }),
    )
    .bind(workspaceId, purgeId, relatedKey("*", "workspaces"), now, ...values);
}

/** Creates a workspace if tier and role are as read and owner and team are below the limits. */
export async function insertWorkspace(
  db: D1Database,
  wanted: NewWorkspace & { workspaceId: string; ownerId: string },
  { tier, role }: NewWorkspaceFacts,
  { keyed, ...withPurge }: WithPurge & { keyed: KeyedRequest | null },
): Promise<Written | null> {
  const { workspaceId, ownerId, name, teamId = null } = wanted;
  const { inserted, purge } = await runBatch(db, {
    inserted: db
      .prepare(
        `INSERT INTO workspaces (workspace_id, team_id, owner_id, name, created_at)
         SELECT ?1, ?2, user_id, ?4, ?5 FROM users
         WHERE user_id = ?3 AND deleted_at IS NULL AND tier = ?6
           AND (?2 IS NULL
                OR ((SELECT role FROM team_members WHERE team_id = ?2 AND user_id = ?3) = ?7
                    AND ${countInTeam("?2")} < ?9))
           AND ${countOwned("?3")} < ?8`,
      )
      .bind(
        workspaceId,
        teamId,
        ownerId,
        name,
        withPurge.now,
        tier,
        role ?? null,
        MAX_WORKSPACES_OF_USER,
        MAX_WORKSPACES_OF_TEAM,
      ),
    purge: insertWorkspacePurge(db, workspaceId, withPurge),
    answered: insertCreated(db, keyed, withPurge.now, {
      created: "SELECT workspace_id AS id FROM workspaces WHERE workspace_id = ?1",
      bound: [workspaceId],
    }),
  });
  if (inserted.meta.changes === 0) return null;
  return {
    workspace: workspaceFrom(workspaceId, { name, teamId, createdAt: withPurge.now }),
    tags: tagsOfPurge(purge),
  };
}

export async function findWorkspace(
  db: D1Database,
  workspaceId: string,
): Promise<Workspace | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM workspaces WHERE workspace_id = ?1`)
    .bind(workspaceId)
    .first<WorkspaceRow>();
  return row === null ? null : workspaceFrom(workspaceId, row);
}

/** For a write whose reply was lost: the workspace, if the write was committed with that purge. */
export async function findWritten(
  db: D1Database,
  workspaceId: string,
  name: string,
  purgeId: string,
): Promise<Written | null> {
  const row = await db
    .prepare(
      `SELECT ${columns}, ${purgeTagsSql("?2")} AS tags FROM workspaces
       WHERE workspace_id = ?1 AND name = ?3`,
    )
    .bind(workspaceId, purgeId, name)
    .first<WorkspaceRow & { tags: string | null }>();
  if (row === null) return null;
  // Without a pending purge the tags are empty: it has been delivered.
  const { tags, ...rest } = row;
  return {
    workspace: workspaceFrom(workspaceId, rest),
    tags: JSON.parse(tags ?? "[]") as string[],
  };
}

/** The facts that decide a change of a workspace. `actorId` is null for the admin. */
export async function findWorkspaceFacts(
  db: D1Database,
  workspaceId: string,
  actorId: string | null,
): Promise<WorkspaceFacts> {
  const row = await db
    .prepare(
      `SELECT w.owner_id AS ownerId, w.team_id AS teamId, m.role FROM workspaces w
       LEFT JOIN team_members m ON m.team_id = w.team_id AND m.user_id = ?2
       WHERE w.workspace_id = ?1`,
    )
    .bind(workspaceId, actorId)
    .first<{ ownerId: string; teamId: string | null; role: Role | null }>();
  return {
    actor: actorId === null ? "admin" : { userId: actorId, role: row?.role ?? null },
    workspace: row === null ? null : { ownerId: row.ownerId, teamId: row.teamId },
  };
}

/**
 * SQL over a row of `workspaces`: the role of the user in its team is as it was read.
 *
 * @param first the number of the first of the two parameters that `asReadValues` binds
 */
const isAsRead = (table: string, first: number): string =>
  `(?${first} IS NULL OR (SELECT role FROM team_members m
    WHERE m.team_id = ${table}.team_id AND m.user_id = ?${first}) IS ?${first + 1})`;

const asReadValues = ({ actor }: WorkspaceFacts): (string | null)[] =>
  actor === "admin" ? [null, null] : [actor.userId, actor.role];

export async function saveWorkspaceName(
  db: D1Database,
  { workspaceId, name }: { workspaceId: string; name: string },
  facts: WorkspaceFacts,
  withPurge: WithPurge,
): Promise<Written | null> {
  const values = asReadValues(facts);
  const { purge, renamed } = await runBatch(db, {
    purge: insertWorkspacePurge(db, workspaceId, withPurge, {
      condition: isAsRead("w", 5),
      values,
    }),
    renamed: db
      .prepare(
        `UPDATE workspaces SET name = ?2 WHERE workspace_id = ?1
           AND ${isAsRead("workspaces", 3)} RETURNING ${columns}`,
      )
      .bind(workspaceId, name, ...values),
  });
  const row = renamed.results[0] as WorkspaceRow | undefined;
  if (row === undefined) return null;
  return { workspace: workspaceFrom(workspaceId, row), tags: tagsOfPurge(purge) };
}

/** @returns the cache tags to purge */
export async function eraseWorkspace(
  db: D1Database,
  workspaceId: string,
  facts: WorkspaceFacts,
  withPurge: WithPurge,
): Promise<string[] | null> {
  const values = asReadValues(facts);
  const { purge, deleted } = await runBatch(db, {
    purge: insertWorkspacePurge(db, workspaceId, withPurge, {
      condition: isAsRead("w", 5),
      values,
    }),
    deleted: db
      .prepare(`DELETE FROM workspaces WHERE workspace_id = ?1 AND ${isAsRead("workspaces", 2)}`)
      .bind(workspaceId, ...values),
  });
  return deleted.meta.changes > 0 ? tagsOfPurge(purge) : null;
}

/** For a deletion whose reply was lost: the tags to purge; null if the workspace is still there. */
export async function findDeletedWorkspace(
  db: D1Database,
  workspaceId: string,
  purgeId: string,
): Promise<string[] | null> {
  const row = await db
    .prepare(
      `SELECT EXISTS (SELECT 1 FROM workspaces WHERE workspace_id = ?1) AS present,
              ${purgeTagsSql("?2")} AS tags`,
    )
    .bind(workspaceId, purgeId)
    .first<{ present: number; tags: string | null }>();
  return row === null || row.present === 1 ? null : (JSON.parse(row.tags ?? "[]") as string[]);
}

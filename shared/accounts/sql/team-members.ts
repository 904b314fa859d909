import { runBatch } from "../../database/batch.ts";
import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { AccountTier, Role, TeamMember } from "../rules/schemas.ts";
import { MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER, type MemberFacts } from "../rules/teams.ts";
import type { WithPurge } from "./user-purge.ts";

/**
 * SQL of the members of teams. Each write requires that the facts it was decided by have not
 * changed. If they have, it writes nothing and returns null.
 */

/** The tags of a user's teams in the cache, to purge when a membership or role changes. */
export const tagsOfMember = (userId: string): string[] =>
  (["permissions", "teams", "workspaces"] as const).map((what) => relatedKey(userId, what));

export type MemberRow = { userId: string; role: Role; joinedAt: number };

export const memberFrom = (
  { userId, role, joinedAt }: MemberRow,
  confirmed: boolean,
): TeamMember => ({
  userId,
  role,
  joinedAt: new Date(joinedAt).toISOString(),
  confirmed,
});

export async function findMember(
  db: D1Database,
  teamId: string,
  userId: string,
): Promise<TeamMember | null> {
  const row = await db
    .prepare(
      `SELECT user_id AS userId, role, joined_at AS joinedAt FROM team_members
       WHERE team_id = ?1 AND user_id = ?2`,
    )
    .bind(teamId, userId)
    .first<MemberRow>();
  return row === null ? null : memberFrom(row, true);
}

/** What decides a change of a member: of which team, by which user, of which user. */
export type MemberChange = { teamId: string; actorId: string | null; targetId: string };

type FactsRow = {
  actorRole: Role | null;
  actorTier: AccountTier | null;
  actorPending: number;
  targetRole: Role | null;
  targetExists: number;
  targetPending: number;
  targetTeams: number;
  members: number;
  owners: number;
  pending: number;
  teamExists: number;
};

/** The facts that decide a change of a member. `actorId` is null for the admin. */
export async function findMemberFacts(
  db: D1Database,
  { teamId, actorId, targetId }: MemberChange,
  now: number,
): Promise<MemberFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) AS actorRole,
              (SELECT tier FROM users WHERE user_id = ?2 AND deleted_at IS NULL) AS actorTier,
              (SELECT COUNT(*) FROM pending_members
               WHERE added_by = ?2 AND expires_at > ?4) AS actorPending,
              (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?3) AS targetRole,
              EXISTS (SELECT 1 FROM users
                      WHERE user_id = ?3 AND deleted_at IS NULL) AS targetExists,
              EXISTS (SELECT 1 FROM pending_members WHERE team_id = ?1 AND user_id = ?3
                        AND expires_at > ?4) AS targetPending,
              (SELECT COUNT(*) FROM team_members WHERE user_id = ?3) AS targetTeams,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1) AS members,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1 AND role = 'owner') AS owners,
              (SELECT COUNT(*) FROM pending_members
               WHERE team_id = ?1 AND expires_at > ?4) AS pending,
              EXISTS (SELECT 1 FROM teams WHERE team_id = ?1) AS teamExists`,
    )
    .bind(teamId, actorId, targetId, now)
    .first<FactsRow>();
  if (row === null) throw new Error("D1 returned no row for a SELECT without FROM");
  return {
    actor:
      actorId === null
        ? "admin"
        : {
            userId: actorId,
            tier: row.actorTier,
            role: row.actorRole,
            pending: row.actorPending,
          },
    target: {
      userId: targetId,
      exists: row.targetExists === 1,
      role: row.targetRole,
      pending: row.targetPending === 1,
      teams: row.targetTeams,
    },
    team: {
      exists: row.teamExists === 1,
      owners: row.owners,
      members: row.members,
      pending: row.pending,
    },
  };
}

type AsRead = {
  target: string;
  /** Null: the admin. */
  actor: string | null;
  /** JSON, for `facts` of `isAsRead`. */
  facts: string;
};

export function asRead({ actor, target, team }: MemberFacts): AsRead {
  const { userId, role, tier } =
    actor === "admin" ? { userId: null, role: null, tier: null } : actor;
  return {
    target: target.userId,
    actor: userId,
    facts: JSON.stringify({ actorRole: role, tier, role: target.role, owners: team.owners }),
  };
}

/**
 * SQL: whether the actor's role and tier, the target's role and the number of owners are still as
 * read. Each argument is the placeholder of a value: the id of the team, and what `asRead` returns.
 */
export function isAsRead({
  teamId,
  target,
  actor,
  facts,
}: Record<"teamId" | keyof AsRead, string>): string {
  return `(${actor} IS NULL OR (
      (SELECT role FROM team_members WHERE team_id = ${teamId} AND user_id = ${actor})
        IS ${facts} ->> 'actorRole'
      AND (SELECT tier FROM users WHERE user_id = ${actor} AND deleted_at IS NULL)
        IS ${facts} ->> 'tier'))
    AND (SELECT role FROM team_members WHERE team_id = ${teamId} AND user_id = ${target})
      IS ${facts} ->> 'role'
    AND (SELECT COUNT(*) FROM team_members WHERE team_id = ${teamId} AND role = 'owner')
      = ${facts} ->> 'owners'`;
}

/** A statement that ends the open confirmation of a user who is a member now. */
export function deleteConfirmed(
  db: D1Database,
  teamId: string,
  userId: string,
): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM pending_members WHERE team_id = ?1 AND user_id = ?2
         AND EXISTS (SELECT 1 FROM team_members WHERE team_id = ?1 AND user_id = ?2)`,
    )
    .bind(teamId, userId);
}

/** Adds a member, or changes their role. */
export async function saveMember(
  db: D1Database,
  { teamId, role }: { teamId: string; role: Role },
  facts: MemberFacts,
  { purgeId, now }: WithPurge,
): Promise<TeamMember | null> {
  const { userId } = facts.target;
  const read = asRead(facts);
  const stillSo = isAsRead({ teamId: "?1", target: "?2", actor: "?3", facts: "?4" });
  const [saved] = await db.batch<MemberRow>([
    db
      .prepare(
        `INSERT INTO team_members (team_id, user_id, role, joined_at)
         SELECT t.team_id, u.user_id, ?5, ?6
         FROM teams t JOIN users u ON u.user_id = ?2 AND u.deleted_at IS NULL
         WHERE t.team_id = ?1 AND ${stillSo}
           AND (?4 ->> 'role' IS NOT NULL
                OR ((SELECT COUNT(*) FROM team_members WHERE team_id = ?1) < ?7
                    AND (SELECT COUNT(*) FROM team_members WHERE user_id = ?2) < ?8))
         ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role
         RETURNING user_id AS userId, role, joined_at AS joinedAt`,
      )
      .bind(
        teamId,
        read.target,
        read.actor,
        read.facts,
        role,
        now,
        MAX_MEMBERS_OF_TEAM,
        MAX_TEAMS_OF_USER,
      ),
    deleteConfirmed(db, teamId, userId),
    insertMemberPurge(db, { teamId, userId, role }, { purgeId, now }),
  ]);
  const row = saved?.results[0];
  return row === undefined ? null : memberFrom(row, true);
}

/** Removes a member, or a user who was added and has not confirmed. */
export async function deleteMember(
  db: D1Database,
  teamId: string,
  facts: MemberFacts,
  { purgeId, now }: WithPurge,
): Promise<true | null> {
  const { userId } = facts.target;
  const read = asRead(facts);
  const stillSo = isAsRead({ teamId: "?1", target: "?2", actor: "?3", facts: "?4" });
  const remove = (table: string): D1PreparedStatement =>
    db
      .prepare(`DELETE FROM ${table} WHERE team_id = ?1 AND user_id = ?2 AND ${stillSo}`)
      .bind(teamId, read.target, read.actor, read.facts);
  const { pending, member } = await runBatch(db, {
    // Before the member, since a change of the member changes what was read.
    pending: remove("pending_members"),
    member: remove("team_members"),
    purge: insertMemberPurge(db, { teamId, userId, role: null }, { purgeId, now }),
  });
  return pending.meta.changes + member.meta.changes > 0 ? true : null;
}

/**
 * A statement that adds the purge of a membership, after the write in its batch. It adds nothing
 * unless the user then has that role in the team. Null: is not a member.
 */
export function insertMemberPurge(
  db: D1Database,
  { teamId, userId, role }: { teamId: string; userId: string; role: Role | null },
  { purgeId, now }: WithPurge,
): D1PreparedStatement {
  return db
    .prepare(
      insertPurgeSql({
        id: "?1",
        tags: "?2",
        createdAt: "?3",
        from: `WHERE (SELECT role FROM team_members WHERE team_id = ?4 AND user_id = ?5) IS ?6`,
      }),
    )
    .bind(purgeId, JSON.stringify(tagsOfMember(userId)), now, teamId, userId, role);
}

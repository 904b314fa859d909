import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { Role, Team, TeamMember, AccountTier } from "../rules/schemas.ts";
import { MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER, type MemberFacts } from "../rules/teams.ts";
import type { WithPurge } from "./user-purge.ts";

/**
 * SQL of teams and their members. Each write requires that the facts it was decided by have not
 * changed. If they have, it writes nothing and returns null.
 */

const iso = (at: number): string => new Date(at).toISOString();

/** The tags of a user's teams in the cache, to purge when a membership or role changes. */
export const tagsOfMember = (userId: string): string[] =>
  (["permissions", "teams", "workspaces"] as const).map((what) => relatedKey(userId, what));

/** A team with its members, in the order in which they joined. */
export async function findTeam(
  db: D1Database,
  teamId: string,
): Promise<{ team: Team; members: TeamMember[] } | null> {
  const [teams, members] = await db.batch([
    db.prepare("SELECT name, created_at AS createdAt FROM teams WHERE team_id = ?1").bind(teamId),
    db
      .prepare(
        `SELECT user_id AS userId, role, joined_at AS joinedAt FROM team_members
         WHERE team_id = ?1 ORDER BY joined_at, user_id LIMIT ?2`,
      )
      .bind(teamId, MAX_MEMBERS_OF_TEAM),
  ]);
  const row = teams?.results[0] as { name: string; createdAt: number } | undefined;
  if (row === undefined) return null;
  const rows = (members?.results ?? []) as MemberRow[];
  return {
    team: { teamId, name: row.name, createdAt: iso(row.createdAt) },
    members: rows.map(memberView),
  };
}

type MemberRow = { userId: string; role: Role; joinedAt: number };

const memberView = ({ userId, role, joinedAt }: MemberRow): TeamMember => ({
  userId,
  role,
  joinedAt: iso(joinedAt),
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
  return row === null ? null : memberView(row);
}

/** The facts that decide the creation of a team. `tier` null: no such user. */
export type CreatorFacts = { tier: AccountTier | null; teams: number };

export async function findCreatorFacts(db: D1Database, userId: string): Promise<CreatorFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT tier FROM users WHERE user_id = ?1 AND deleted_at IS NULL) AS tier,
              (SELECT COUNT(*) FROM team_members WHERE user_id = ?1) AS teams`,
    )
    .bind(userId)
    .first<CreatorFacts>();
  return row ?? { tier: null, teams: 0 };
}

/** Creates a team with its first owner, if their tier has not changed. */
export async function insertTeam(
  db: D1Database,
  team: { teamId: string; name: string; ownerId: string },
  { tier }: CreatorFacts,
  { intentId, now }: WithPurge,
): Promise<Team | null> {
  const { teamId, name, ownerId } = team;
  const [inserted] = await db.batch([
    db
      .prepare(
        `INSERT INTO teams (team_id, name, created_at) SELECT ?1, ?2, ?3 FROM users
         WHERE user_id = ?4 AND deleted_at IS NULL AND tier = ?5
           AND (SELECT COUNT(*) FROM team_members WHERE user_id = ?4) < ?6`,
      )
      .bind(teamId, name, now, ownerId, tier, MAX_TEAMS_OF_USER),
    db
      .prepare(
        `INSERT INTO team_members (team_id, user_id, role, joined_at)
         SELECT team_id, ?2, 'owner', ?3 FROM teams WHERE team_id = ?1`,
      )
      .bind(teamId, ownerId, now),
    insertMemberPurge(db, { teamId, userId: ownerId, role: "owner" }, { intentId, now }),
  ]);
  return (inserted?.meta.changes ?? 0) > 0 ? { teamId, name, createdAt: iso(now) } : null;
}

/** The facts that decide a change of a member. `actorId` is null for the admin. */
export async function findMemberFacts(
  db: D1Database,
  teamId: string,
  actorId: string | null,
  targetId: string,
): Promise<MemberFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) AS actorRole,
              (SELECT tier FROM users WHERE user_id = ?2 AND deleted_at IS NULL) AS actorTier,
              (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?3) AS targetRole,
              EXISTS (SELECT 1 FROM users
                      WHERE user_id = ?3 AND deleted_at IS NULL) AS targetExists,
              (SELECT COUNT(*) FROM team_members WHERE user_id = ?3) AS targetTeams,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1) AS members,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1 AND role = 'owner') AS owners,
              EXISTS (SELECT 1 FROM teams WHERE team_id = ?1) AS teamExists`,
    )
    .bind(teamId, actorId, targetId)
    .first<{
      actorRole: Role | null;
      actorTier: AccountTier | null;
      targetRole: Role | null;
      targetExists: number;
      targetTeams: number;
      members: number;
      owners: number;
      teamExists: number;
    }>();
  return {
    actor:
      actorId === null
        ? "admin"
        : { userId: actorId, tier: row?.actorTier ?? null, role: row?.actorRole ?? null },
    target: {
      userId: targetId,
      exists: row?.targetExists === 1,
      role: row?.targetRole ?? null,
      teams: row?.targetTeams ?? 0,
    },
    team: { exists: row?.teamExists === 1, owners: row?.owners ?? 0, members: row?.members ?? 0 },
  };
}

/**
 * Whether the actor's role and tier, the target's role and the number of owners are still as read.
 * Its parameters `?1` to `?7` are bound by `asReadValues`.
 */
const isAsRead = `(?3 IS NULL OR (
    (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?3) IS ?4
    AND (SELECT tier FROM users WHERE user_id = ?3 AND deleted_at IS NULL) IS ?5))
  AND (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) IS ?6
  AND (SELECT COUNT(*) FROM team_members WHERE team_id = ?1 AND role = 'owner') = ?7`;

function asReadValues(
  teamId: string,
  { actor, target, team }: MemberFacts,
): (string | number | null)[] {
  const { userId, role, tier } =
    actor === "admin" ? { userId: null, role: null, tier: null } : actor;
  return [teamId, target.userId, userId, role, tier, target.role, team.owners];
}

/** Adds a member, or changes their role. */
export async function saveMember(
  db: D1Database,
  { teamId, role }: { teamId: string; role: Role },
  facts: MemberFacts,
  { intentId, now }: WithPurge,
): Promise<TeamMember | null> {
  const { userId } = facts.target;
  const [saved] = await db.batch<MemberRow>([
    db
      .prepare(
        `INSERT INTO team_members (team_id, user_id, role, joined_at)
         SELECT t.team_id, u.user_id, ?8, ?9
         FROM teams t JOIN users u ON u.user_id = ?2 AND u.deleted_at IS NULL
         WHERE t.team_id = ?1 AND ${isAsRead}
           AND (?6 IS NOT NULL
                OR ((SELECT COUNT(*) FROM team_members WHERE team_id = ?1) < ?10
                    AND (SELECT COUNT(*) FROM team_members WHERE user_id = ?2) < ?11))
         ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role
         RETURNING user_id AS userId, role, joined_at AS joinedAt`,
      )
      .bind(...asReadValues(teamId, facts), role, now, MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER),
    insertMemberPurge(db, { teamId, userId, role }, { intentId, now }),
  ]);
  const row = saved?.results[0];
  return row === undefined ? null : memberView(row);
}

export async function deleteMember(
  db: D1Database,
  teamId: string,
  facts: MemberFacts,
  { intentId, now }: WithPurge,
): Promise<true | null> {
  const { userId } = facts.target;
  const [deleted] = await db.batch([
    db
      .prepare(`DELETE FROM team_members WHERE team_id = ?1 AND user_id = ?2 AND ${isAsRead}`)
      .bind(...asReadValues(teamId, facts)),
    insertMemberPurge(db, { teamId, userId, role: null }, { intentId, now }),
  ]);
  return (deleted?.meta.changes ?? 0) > 0 ? true : null;
}

/**
 * A statement that adds the purge of a membership, after the write in its batch. It adds nothing
 * unless the user then has that role in the team. Null: is not a member.
 */
function insertMemberPurge(
  db: D1Database,
  { teamId, userId, role }: { teamId: string; userId: string; role: Role | null },
  { intentId, now }: WithPurge,
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
    .bind(intentId, JSON.stringify(tagsOfMember(userId)), now, teamId, userId, role);
}

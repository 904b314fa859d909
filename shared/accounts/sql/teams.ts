import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { Role, Team, TeamMember, Tier } from "../rules/schemas.ts";
import { MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER, type MemberFacts } from "../rules/teams.ts";

/**
 * SQL of teams and their members. A write takes place only if what it was decided over is still so:
 * it answers null if that has changed, and then has written nothing.
 */

const iso = (at: number): string => new Date(at).toISOString();

/** What the cache keeps of a user's teams: old once they join one, leave it or get another role. */
export const tagsOfMember = (userId: string): string[] =>
  (["permissions", "teams", "workspaces"] as const).map((what) => relatedKey(userId, what));

/** A team with its members, first come first. */
export async function findTeam(
  db: D1Database,
  teamId: string,
): Promise<{ team: Team; members: TeamMember[] } | null> {
  const [teams, members] = await db.batch([
    db.prepare("SELECT name, created_at AS createdAt FROM teams WHERE team_id = ?1").bind(teamId),
    db
      .prepare(
        "SELECT user_id AS userId, role, joined_at AS joinedAt FROM team_members WHERE team_id = ?1 ORDER BY joined_at, user_id LIMIT ?2",
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
      "SELECT user_id AS userId, role, joined_at AS joinedAt FROM team_members WHERE team_id = ?1 AND user_id = ?2",
    )
    .bind(teamId, userId)
    .first<MemberRow>();
  return row === null ? null : memberView(row);
}

/** What the creation of a team is decided over. Null: no user. */
export type CreatorFacts = { tier: Tier | null; teams: number };

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

/** Creates a team with its first owner. */
export async function insertTeam(
  db: D1Database,
  team: { teamId: string; name: string; ownerId: string },
  { tier }: CreatorFacts,
  intentId: string,
  now: number,
): Promise<Team | null> {
  const { teamId, name, ownerId } = team;
  const [inserted] = await db.batch([
    db
      .prepare(
        `INSERT INTO teams (team_id, name, created_at) SELECT ?1, ?2, ?3 FROM users
         WHERE user_id = ?4 AND deleted_at IS NULL AND tier = ?5 AND (SELECT COUNT(*) FROM team_members WHERE user_id = ?4) < ?6`,
      )
      .bind(teamId, name, now, ownerId, tier, MAX_TEAMS_OF_USER),
    db
      .prepare(
        "INSERT INTO team_members (team_id, user_id, role, joined_at) SELECT team_id, ?2, 'owner', ?3 FROM teams WHERE team_id = ?1",
      )
      .bind(teamId, ownerId, now),
    intend(
      db,
      intentId,
      tagsOfMember(ownerId),
      now,
      "EXISTS (SELECT 1 FROM teams WHERE team_id = ?4)",
      [teamId],
    ),
  ]);
  return (inserted?.meta.changes ?? 0) > 0 ? { teamId, name, createdAt: iso(now) } : null;
}

/** Reads what a change of a member is decided over. `actorId` is null for the admin. */
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
              EXISTS (SELECT 1 FROM users WHERE user_id = ?3 AND deleted_at IS NULL) AS targetExists,
              (SELECT COUNT(*) FROM team_members WHERE user_id = ?3) AS targetTeams,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1) AS members,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1 AND role = 'owner') AS owners,
              EXISTS (SELECT 1 FROM teams WHERE team_id = ?1) AS teamExists`,
    )
    .bind(teamId, actorId, targetId)
    .first<{
      actorRole: Role | null;
      actorTier: Tier | null;
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
 * That the actor's role and tier, the target's role and the number of owners are as they were read.
 */
const asRead = `(?3 IS NULL OR ((SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?3) IS ?4
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

/** Adds a member, or gives them another role. */
export async function saveMember(
  db: D1Database,
  teamId: string,
  facts: MemberFacts,
  role: Role,
  intentId: string,
  now: number,
): Promise<TeamMember | null> {
  const { userId } = facts.target;
  const [saved] = await db.batch<MemberRow>([
    db
      .prepare(
        `INSERT INTO team_members (team_id, user_id, role, joined_at)
         SELECT t.team_id, u.user_id, ?8, ?9 FROM teams t JOIN users u ON u.user_id = ?2 AND u.deleted_at IS NULL
         WHERE t.team_id = ?1 AND ${asRead}
           AND (?6 IS NOT NULL OR ((SELECT COUNT(*) FROM team_members WHERE team_id = ?1) < ?10
                                   AND (SELECT COUNT(*) FROM team_members WHERE user_id = ?2) < ?11))
         ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role RETURNING user_id AS userId, role, joined_at AS joinedAt`,
      )
      .bind(...asReadValues(teamId, facts), role, now, MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER),
    intend(
      db,
      intentId,
      tagsOfMember(userId),
      now,
      "EXISTS (SELECT 1 FROM team_members WHERE team_id = ?4 AND user_id = ?5 AND role = ?6)",
      [teamId, userId, role],
    ),
  ]);
  const row = saved?.results[0];
  return row === undefined ? null : memberView(row);
}

export async function deleteMember(
  db: D1Database,
  teamId: string,
  facts: MemberFacts,
  intentId: string,
  now: number,
): Promise<true | null> {
  const { userId } = facts.target;
  const [deleted] = await db.batch([
    db
      .prepare(`DELETE FROM team_members WHERE team_id = ?1 AND user_id = ?2 AND ${asRead}`)
      .bind(...asReadValues(teamId, facts)),
    intend(
      db,
      intentId,
      tagsOfMember(userId),
      now,
      "NOT EXISTS (SELECT 1 FROM team_members WHERE team_id = ?4 AND user_id = ?5)",
      [teamId, userId],
    ),
  ]);
  return (deleted?.meta.changes ?? 0) > 0 ? true : null;
}

/** The purge that a write owes, after it in its batch: only if what it was to bring about is so. */
function intend(
  db: D1Database,
  intentId: string,
  tags: readonly string[],
  now: number,
  isSo: string,
  values: readonly string[],
): D1PreparedStatement {
  return db
    .prepare(insertPurgeSql({ id: "?1", tags: "?2", createdAt: "?3", from: `WHERE ${isSo}` }))
    .bind(intentId, JSON.stringify(tags), now, ...values);
}

import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { teamKey } from "../rules/keys.ts";
import type { AccountTier, Role, Team, TeamMember } from "../rules/schemas.ts";
import {
  MAX_MEMBERS_OF_TEAM,
  MAX_PENDING_OF_TEAM,
  MAX_TEAMS_OF_USER,
  type ManagerFacts,
} from "../rules/teams.ts";
import { insertMemberPurge, memberFrom, type MemberRow } from "./team-members.ts";
import type { WithPurge } from "./user-purge.ts";

/**
 * SQL of teams. Each write requires that the facts it was decided by have not changed. If they
 * have, it writes nothing and returns null.
 */

type TeamRow = { name: string; createdAt: number };

const teamFrom = (teamId: string, { name, createdAt }: TeamRow): Team => ({
  teamId,
  name,
  createdAt: new Date(createdAt).toISOString(),
});

const viewsOf = (reply: D1Result | undefined, confirmed: boolean): TeamMember[] =>
  ((reply?.results ?? []) as MemberRow[]).map((member) => memberFrom(member, confirmed));

/**
 * A team with its members, in the order in which they joined, and then the users who were added and
 * have not confirmed.
 */
export async function findTeam(
  db: D1Database,
  teamId: string,
  now: number,
): Promise<{ team: Team; members: TeamMember[] } | null> {
  const [teams, members, pending] = await db.batch([
    db.prepare("SELECT name, created_at AS createdAt FROM teams WHERE team_id = ?1").bind(teamId),
    db
      .prepare(
        `SELECT user_id AS userId, role, joined_at AS joinedAt FROM team_members
         WHERE team_id = ?1 ORDER BY joined_at, user_id LIMIT ?2`,
      )
      .bind(teamId, MAX_MEMBERS_OF_TEAM),
    db
      .prepare(
        `SELECT user_id AS userId, 'member' AS role, added_at AS joinedAt FROM pending_members
         WHERE team_id = ?1 AND expires_at > ?3 ORDER BY added_at, user_id LIMIT ?2`,
      )
      .bind(teamId, MAX_PENDING_OF_TEAM, now),
  ]);
  const row = teams?.results[0] as TeamRow | undefined;
  if (row === undefined) return null;
  return {
    team: teamFrom(teamId, row),
    members: [...viewsOf(members, true), ...viewsOf(pending, false)],
  };
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
  { purgeId, now, keyed }: WithPurge & { keyed: KeyedRequest | null },
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
    insertMemberPurge(db, { teamId, userId: ownerId, role: "owner" }, { purgeId, now }),
    ...insertCreated(db, keyed, now, {
      created: "SELECT team_id AS id FROM teams WHERE team_id = ?1",
      bound: [teamId],
    }),
  ]);
  return (inserted?.meta.changes ?? 0) > 0 ? teamFrom(teamId, { name, createdAt: now }) : null;
}

/** The facts that decide whether a team is renamed or deleted. `actorId` is null for the admin. */
export async function findManagerFacts(
  db: D1Database,
  teamId: string,
  actorId: string | null,
): Promise<ManagerFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) AS role,
              EXISTS (SELECT 1 FROM teams WHERE team_id = ?1) AS teamExists`,
    )
    .bind(teamId, actorId)
    .first<{ role: Role | null; teamExists: number }>();
  return {
    actor: actorId === null ? "admin" : { userId: actorId, role: row?.role ?? null },
    exists: row?.teamExists === 1,
  };
}

/** SQL over `teams`: it is the team `?1`, and the role of the user `?2` is still `?3`. */
const isManagedAsRead = `team_id = ?1 AND (?2 IS NULL
  OR (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) IS ?3)`;

const managerValues = (teamId: string, { actor }: ManagerFacts): (string | null)[] =>
  actor === "admin" ? [teamId, null, null] : [teamId, actor.userId, actor.role];

/** Every read of its members and of those who have not confirmed has the team's tag. */
function insertTeamPurge(
  db: D1Database,
  teamId: string,
  facts: ManagerFacts,
  { purgeId, now }: WithPurge,
): D1PreparedStatement {
  return db
    .prepare(
      insertPurgeSql({
        id: "?4",
        tags: "?5",
        createdAt: "?6",
        from: `FROM teams WHERE ${isManagedAsRead}`,
      }),
    )
    .bind(...managerValues(teamId, facts), purgeId, JSON.stringify([teamKey(teamId)]), now);
}

/** `nameAsRead`: null for any. */
export async function saveTeamName(
  db: D1Database,
  { teamId, name, nameAsRead }: { teamId: string; name: string; nameAsRead: string | null },
  facts: ManagerFacts,
  withPurge: WithPurge,
): Promise<Team | null> {
  const [, renamed] = await db.batch<TeamRow>([
    insertTeamPurge(db, teamId, facts, withPurge),
    db
      .prepare(
        `UPDATE teams SET name = ?4 WHERE ${isManagedAsRead} AND (?5 IS NULL OR name = ?5)
         RETURNING name, created_at AS createdAt`,
      )
      .bind(...managerValues(teamId, facts), name, nameAsRead),
  ]);
  const row = renamed?.results[0];
  return row === undefined ? null : teamFrom(teamId, row);
}

/** Deletes a team with its members, workspaces and open confirmations (by cascade). */
export async function eraseTeam(
  db: D1Database,
  teamId: string,
  facts: ManagerFacts,
  withPurge: WithPurge,
): Promise<true | null> {
  const [, deleted] = await db.batch([
    insertTeamPurge(db, teamId, facts, withPurge),
    db.prepare(`DELETE FROM teams WHERE ${isManagedAsRead}`).bind(...managerValues(teamId, facts)),
  ]);
  return (deleted?.meta.changes ?? 0) > 0 ? true : null;
}

import type { ExpiringRows } from "../../database/expiring.ts";
import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import type { Role, TeamMember } from "../rules/schemas.ts";
import {
  CONFIRMATION_MS,
  MAX_MEMBERS_OF_TEAM,
  MAX_PENDING_OF_ADDER,
  MAX_PENDING_OF_TEAM,
  MAX_TEAMS_OF_USER,
  type MemberFacts,
} from "../rules/teams.ts";
import {
  asRead,
  deleteConfirmed,
  insertMemberPurge,
  isAsRead,
  memberFrom,
  tagsOfMember,
  type MemberRow,
} from "./team-members.ts";
import type { WithPurge } from "./user-purge.ts";

/**
 * SQL of users who were added to a team and have not confirmed. Nothing here looks at `users`: a
 * row for an id without an account is the same.
 */

/**
 * Adds a user who has to confirm. A repeat changes nothing.
 *
 * @returns null if the facts have changed: nothing was written
 */
export async function addPending(
  db: D1Database,
  teamId: string,
  facts: MemberFacts,
  { purgeId, now }: WithPurge,
): Promise<TeamMember | null> {
  const { userId } = facts.target;
  const read = asRead(facts);
  const stillSo = isAsRead({ teamId: "?1", target: "?2", actor: "?3", facts: "?4" });
  const isExpired = "pending_members.expires_at <= ?5";
  const renewed = (column: string): string =>
    `${column} = IIF(${isExpired}, excluded.${column}, pending_members.${column})`;
  const [added] = await db.batch<MemberRow>([
    db
      .prepare(
        `INSERT INTO pending_members (team_id, user_id, added_by, added_at, expires_at)
         SELECT t.team_id, ?2, ?3, ?5, ?6 FROM teams t
         WHERE t.team_id = ?1 AND ${stillSo}
           AND (EXISTS (SELECT 1 FROM pending_members p
                        WHERE p.team_id = ?1 AND p.user_id = ?2 AND p.expires_at > ?5)
                OR ((SELECT COUNT(*) FROM pending_members
                     WHERE team_id = ?1 AND expires_at > ?5) < ?7
                    AND (SELECT COUNT(*) FROM pending_members
                         WHERE added_by = ?3 AND expires_at > ?5) < ?8))
         ON CONFLICT (team_id, user_id) DO UPDATE
           SET ${["added_by", "added_at", "expires_at"].map(renewed).join(", ")}
         RETURNING user_id AS userId, 'member' AS role, added_at AS joinedAt`,
      )
      .bind(
        teamId,
        read.target,
        read.actor,
        read.facts,
        now,
        now + CONFIRMATION_MS,
        MAX_PENDING_OF_TEAM,
        MAX_PENDING_OF_ADDER,
      ),
    db
      .prepare(
        insertPurgeSql({
          id: "?1",
          tags: "?2",
          createdAt: "?3",
          from: "FROM pending_members WHERE team_id = ?4 AND user_id = ?5",
        }),
      )
      .bind(purgeId, JSON.stringify(tagsOfMember(userId)), now, teamId, userId),
  ]);
  const row = added?.results[0];
  return row === undefined ? null : memberFrom(row, false);
}

/** For an addition whose reply was lost. */
export async function findPending(
  db: D1Database,
  teamId: string,
  userId: string,
  now: number,
): Promise<TeamMember | null> {
  const row = await db
    .prepare(
      `SELECT user_id AS userId, 'member' AS role, added_at AS joinedAt FROM pending_members
       WHERE team_id = ?1 AND user_id = ?2 AND expires_at > ?3`,
    )
    .bind(teamId, userId, now)
    .first<MemberRow>();
  return row === null ? null : memberFrom(row, false);
}

/** The facts that decide a confirmation. */
export type ConfirmationFacts = {
  role: Role | null;
  pending: boolean;
  teams: number;
  members: number;
};

export async function findConfirmationFacts(
  db: D1Database,
  teamId: string,
  userId: string,
  now: number,
): Promise<ConfirmationFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) AS role,
              EXISTS (SELECT 1 FROM pending_members WHERE team_id = ?1 AND user_id = ?2
                        AND expires_at > ?3) AS pending,
              (SELECT COUNT(*) FROM team_members WHERE user_id = ?2) AS teams,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1) AS members`,
    )
    .bind(teamId, userId, now)
    .first<Omit<ConfirmationFacts, "pending"> & { pending: number }>();
  if (row === null) throw new Error("D1 returned no row for a SELECT without FROM");
  return { ...row, pending: row.pending === 1 };
}

/** Makes a user who was added a member. @returns null if there is nothing to confirm now */
export async function saveConfirmation(
  db: D1Database,
  teamId: string,
  userId: string,
  { purgeId, now }: WithPurge,
): Promise<TeamMember | null> {
  const [confirmed] = await db.batch<MemberRow>([
    db
      .prepare(
        `INSERT INTO team_members (team_id, user_id, role, joined_at)
         SELECT p.team_id, u.user_id, 'member', ?3
         FROM pending_members p JOIN users u ON u.user_id = p.user_id AND u.deleted_at IS NULL
         WHERE p.team_id = ?1 AND p.user_id = ?2 AND p.expires_at > ?3
           AND (SELECT COUNT(*) FROM team_members WHERE team_id = ?1) < ?4
           AND (SELECT COUNT(*) FROM team_members WHERE user_id = ?2) < ?5
         ON CONFLICT (team_id, user_id) DO NOTHING
         RETURNING user_id AS userId, role, joined_at AS joinedAt`,
      )
      .bind(teamId, userId, now, MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER),
    deleteConfirmed(db, teamId, userId),
    insertMemberPurge(db, { teamId, userId, role: "member" }, { purgeId, now }),
  ]);
  const row = confirmed?.results[0];
  return row === undefined ? null : memberFrom(row, true);
}

/** Open confirmations whose time is over. */
export const expiredPending: ExpiringRows = {
  table: "pending_members",
  key: "team_id, user_id",
  isOver: "expires_at <= ?1",
};

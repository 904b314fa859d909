import { runBatch } from "../../database/batch.ts";
import { INVITATION_KEPT_MS, type AnswerFacts, type InvitedRole } from "../rules/invitations.ts";
import { MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER } from "../rules/teams.ts";
import { statusOfInvitation } from "./invitations.ts";
import { deleteConfirmed, insertMemberPurge } from "./team-members.ts";
import type { WithPurge } from "./user-purge.ts";

/** SQL of invitations, by those who are invited. */

/**
 * Which invitation, and who answers. By its link: the account of the address, or the user who has
 * the link. By its id: only the user whose address was invited.
 */
export type AnsweredBy =
  | { by: "link"; tokenHash: string }
  | { by: "link-of-user"; tokenHash: string; userId: string }
  | { by: "id"; id: string; userId: string };

export type FoundInvitation = AnswerFacts & {
  id: string;
  teamId: string;
  teamName: string;
  role: InvitedRole;
};

export async function findInvitation(
  db: D1Database,
  answered: AnsweredBy,
  now: number,
): Promise<FoundInvitation | null> {
  const [user, where] = {
    link: ["u.email = i.email", "i.token_hash = ?1"],
    "link-of-user": ["u.user_id = ?3", "i.token_hash = ?1"],
    id: ["u.user_id = ?3", "i.id = ?1 AND i.email = u.email"],
  }[answered.by];
  const isLink = answered.by === "link";
  return await db
    .prepare(
      `SELECT i.id, i.team_id AS teamId, t.name AS teamName, i.role,
         ${statusOfInvitation("i", "?2")} AS status, i.accepted_by AS acceptedBy,
         u.user_id AS userId, u.suspended_at AS suspendedAt,
         (SELECT role FROM team_members
          WHERE team_id = i.team_id AND user_id = u.user_id) AS memberRole,
         (SELECT COUNT(*) FROM team_members WHERE user_id = u.user_id) AS teams,
         (SELECT COUNT(*) FROM team_members WHERE team_id = i.team_id) AS members
       FROM team_invitations AS i CROSS JOIN teams AS t ON t.team_id = i.team_id
       LEFT JOIN users AS u ON ${user} AND u.deleted_at IS NULL
       WHERE ${where}`,
    )
    .bind(
      answered.by === "id" ? answered.id : answered.tokenHash,
      now,
      ...(isLink ? [] : [answered.userId]),
    )
    .first<FoundInvitation>();
}

/** SQL of whether an invitation is open, with its id as `?1`, for a statement in a batch. */
export const whileInvited = (id: string, now: number): { condition: string; bound: string } => ({
  condition: `EXISTS (SELECT 1 FROM team_invitations
    WHERE id = ?1 AND status = 'open' AND expires_at > ${now})`,
  bound: id,
});

type Accepting = { id: string; teamId: string; userId: string; role: InvitedRole };

/**
 * Makes a user a member by an open invitation. A member keeps the role.
 *
 * @returns whether the user is a member by it now; null if the facts have changed
 */
export async function saveAcceptance(
  db: D1Database,
  { id, teamId, userId, role }: Accepting,
  along: readonly D1PreparedStatement[],
  { purgeId, now }: WithPurge,
): Promise<true | null> {
  const { accepted } = await runBatch(db, {
    along,
    member: db
      .prepare(
        `INSERT INTO team_members (team_id, user_id, role, joined_at)
         SELECT i.team_id, u.user_id, i.role, ?3
         FROM team_invitations AS i CROSS JOIN users AS u
           ON u.user_id = ?2 AND u.deleted_at IS NULL AND u.suspended_at IS NULL
         WHERE i.id = ?1 AND i.status = 'open' AND i.expires_at > ?3
           AND (SELECT COUNT(*) FROM team_members WHERE team_id = i.team_id) < ?4
           AND (SELECT COUNT(*) FROM team_members WHERE user_id = ?2) < ?5
         ON CONFLICT (team_id, user_id) DO NOTHING`,
      )
      .bind(id, userId, now, MAX_MEMBERS_OF_TEAM, MAX_TEAMS_OF_USER),
    accepted: db
      .prepare(
        `UPDATE team_invitations SET status = 'accepted', accepted_by = ?2, kept_until = ?4
         WHERE id = ?1 AND status = 'open' AND expires_at > ?3
           AND EXISTS (SELECT 1 FROM team_members
                       WHERE team_id = team_invitations.team_id AND user_id = ?2)
         RETURNING id`,
      )
      .bind(id, userId, now, now + INVITATION_KEPT_MS),
    confirmed: deleteConfirmed(db, teamId, userId),
    purge: insertMemberPurge(db, { teamId, userId, role }, { purgeId, now }),
  });
  return accepted.results.length > 0 ? true : null;
}

/** @returns null if it is not open any more: nothing was written */
export async function saveDecline(
  db: D1Database,
  id: string,
  along: readonly D1PreparedStatement[],
  now: number,
): Promise<true | null> {
  const { declined } = await runBatch(db, {
    along,
    declined: db
      .prepare(
        `UPDATE team_invitations SET status = 'declined', kept_until = ?3
         WHERE id = ?1 AND status = 'open' AND expires_at > ?2 RETURNING id`,
      )
      .bind(id, now, now + INVITATION_KEPT_MS),
  });
  return declined.results.length > 0 ? true : null;
}

/** The most open invitations to an address that are shown. */
const MAX_SHOWN = 100;

/** An invitation as the invited user sees it. */
export type ReceivedInvitation = {
  id: string;
  teamId: string;
  teamName: string;
  role: InvitedRole;
  createdAt: number;
  expiresAt: number;
};

/** The open invitations to the address of a user, newest first. */
export function selectInvitations(
  db: D1Database,
  userId: string,
  now: number,
): D1PreparedStatement {
  return db
    .prepare(
      `SELECT i.id, i.team_id AS teamId, t.name AS teamName, i.role, i.created_at AS createdAt,
         i.expires_at AS expiresAt
       FROM team_invitations AS i CROSS JOIN teams AS t ON t.team_id = i.team_id
       WHERE i.email = (SELECT email FROM users WHERE user_id = ?1 AND deleted_at IS NULL)
         AND i.status = 'open' AND i.expires_at > ?2
       ORDER BY i.created_at DESC, i.id DESC LIMIT ${MAX_SHOWN}`,
    )
    .bind(userId, now);
}

/** An invitation as its inviter's export has it. */
export type SentInvitation = {
  teamId: string;
  email: string;
  role: InvitedRole;
  createdAt: number;
};

/** What a user invited to, newest first. */
export const selectSentInvitations = (
  db: D1Database,
  userId: string,
  limit: number,
): D1PreparedStatement =>
  db
    .prepare(
      `SELECT team_id AS teamId, email, role, created_at AS createdAt FROM team_invitations
       WHERE invited_by = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2`,
    )
    .bind(userId, limit);

/**
 * A statement that deletes the invitations to the address of a user, for the batch that erases the
 * address and before that.
 *
 * @param condition SQL over the row of `users` that the deletion requires
 */
export const deleteReceived = (
  db: D1Database,
  userId: string,
  condition: string,
): D1PreparedStatement =>
  db
    .prepare(
      `DELETE FROM team_invitations WHERE email = (
         SELECT email FROM users WHERE user_id = ?1 AND deleted_at IS NULL AND ${condition})`,
    )
    .bind(userId);

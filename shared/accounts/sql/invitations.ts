import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import type { EmailSource } from "../../email/sql/accept.ts";
import type { Cursor } from "../../http/lists.ts";
import {
  countedBy,
  INVITATION_KEPT_MS,
  MAX_OPEN_INVITATIONS,
  type InvitationLimit,
  type InvitationStatus,
  type InvitedRole,
  type InviterFacts,
  type RevocationFacts,
} from "../rules/invitations.ts";
import type { AccountTier, Role } from "../rules/schemas.ts";
import { MAX_MEMBERS_OF_TEAM } from "../rules/teams.ts";
import { countEmail, reachedLimits } from "./invitation-emails.ts";

/** SQL of invitations, by those who invite. */

/** `invitedBy`: null for an operator. */
export type Invitation = {
  id: string;
  teamId: string;
  email: string;
  role: InvitedRole;
  invitedBy: string | null;
  status: InvitationStatus;
  createdAt: number;
  expiresAt: number;
};

/** SQL over `team_invitations`, with the time: the status as it is shown. */
export const statusOfInvitation = (table: string, now: string): string =>
  `iif(${table}.status = 'open' AND ${table}.expires_at <= ${now}, 'expired', ${table}.status)`;

const columns = (now: string): string => `id, team_id AS teamId, email, role,
  invited_by AS invitedBy, ${statusOfInvitation("team_invitations", now)} AS status,
  created_at AS createdAt, expires_at AS expiresAt`;

/** An invitation that is asked for. `inviterId`: null for an operator. */
export type Inviting = { teamId: string; inviterId: string | null; email: string };

/** SQL: how many open invitations the team `?1` has, except to the address `?<email>`. */
const openOnes = (email: number, now: number): string => `(SELECT COUNT(*) FROM team_invitations
  WHERE team_id = ?1 AND status = 'open' AND email <> ?${email} AND expires_at > ?${now})`;

/** SQL: the role of the open invitation of the team `?1` to the address `?<email>`. */
const roleOfOpen = (email: number, now: number): string => `(SELECT role FROM team_invitations
  WHERE team_id = ?1 AND status = 'open' AND email = ?${email} AND expires_at > ?${now})`;

type FactsRow = {
  role: Role | null;
  tier: AccountTier | null;
  teamExists: number;
  members: number;
  open: number;
  replaced: InvitedRole | null;
  reached: string;
};

/** The facts that decide an invitation. */
export async function findInviterFacts(
  db: D1Database,
  inviting: Inviting,
  now: number,
): Promise<InviterFacts> {
  const { teamId, inviterId, email } = inviting;
  const row = await db
    .prepare(
      `SELECT (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) AS role,
              (SELECT tier FROM users WHERE user_id = ?2 AND deleted_at IS NULL) AS tier,
              EXISTS (SELECT 1 FROM teams WHERE team_id = ?1) AS teamExists,
              (SELECT COUNT(*) FROM team_members WHERE team_id = ?1) AS members,
              ${openOnes(3, 5)} AS open, ${roleOfOpen(3, 5)} AS replaced,
              (SELECT json_group_array(l.value ->> 'limit') FROM ${reachedLimits(4)}) AS reached`,
    )
    .bind(teamId, inviterId, email, JSON.stringify(countedBy(inviting)), now)
    .first<FactsRow>();
  if (row === null) throw new Error("D1 returned no row for a SELECT without FROM");
  return {
    actor: inviterId === null ? "admin" : { userId: inviterId, role: row.role, tier: row.tier },
    team: { exists: row.teamExists === 1, members: row.members },
    open: row.open,
    replaced: row.replaced,
    reached: JSON.parse(row.reached) as InvitationLimit[],
  };
}

/** SQL: the role of the user `?2` in the team `?1` is still `?3`. An operator has none. */
const isActorAsRead = `(?2 IS NULL
  OR (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) IS ?3)`;

const roleOf = (actor: InviterFacts["actor"]): Role | null =>
  actor === "admin" ? null : actor.role;

export type NewInvitation = Inviting & {
  id: string;
  role: InvitedRole;
  tokenHash: string;
  expiresAt: number;
};

type Written = {
  notice: readonly D1PreparedStatement[];
  now: number;
  keyed: KeyedRequest | null;
};

/** The row that the email with the link is accepted for, in the batch that makes the link. */
export const invitationSource = (tokenHash: string): EmailSource => ({
  to: "i.email",
  from: "team_invitations AS i WHERE i.token_hash = $1",
  values: [tokenHash],
});

/**
 * Invites an address. An open invitation to it gets the new link, role and expiry instead.
 *
 * @param written `notice`: the statements of the email
 * @returns null if the facts have changed: nothing was written
 */
export async function saveInvitation(
  db: D1Database,
  { id, role, tokenHash, expiresAt, ...inviting }: NewInvitation,
  { actor, replaced }: InviterFacts,
  { notice, now, keyed }: Written,
): Promise<{ invitation: Invitation; isNotified: boolean } | null> {
  const { teamId, inviterId, email } = inviting;
  const limits = JSON.stringify(countedBy(inviting));
  const tier = actor === "admin" ? null : actor.tier;
  const { saved, emails } = await runBatch(db, {
    saved: db
      .prepare(
        `INSERT INTO team_invitations (id, team_id, email, role, invited_by, token_hash, status,
           created_at, sent_at, expires_at, kept_until)
         SELECT ?6, team_id, ?7, ?8, ?2, ?9, 'open', ?5, ?5, ?10, ?10 + ${INVITATION_KEPT_MS}
         FROM teams WHERE team_id = ?1 AND ${isActorAsRead}
           AND (?2 IS NULL OR (SELECT tier FROM users
                               WHERE user_id = ?2 AND deleted_at IS NULL) IS ?11)
           AND (SELECT COUNT(*) FROM team_members WHERE team_id = ?1) < ${MAX_MEMBERS_OF_TEAM}
           AND ${openOnes(7, 5)} < ${MAX_OPEN_INVITATIONS} AND ${roleOfOpen(7, 5)} IS ?12
           AND NOT EXISTS (SELECT 1 FROM ${reachedLimits(4)})
         ON CONFLICT (team_id, email) WHERE status = 'open' DO UPDATE SET role = excluded.role,
           invited_by = excluded.invited_by, token_hash = excluded.token_hash,
           sent_at = excluded.sent_at, expires_at = excluded.expires_at,
           kept_until = excluded.kept_until
         RETURNING ${columns("?5")}`,
      )
      .bind(
        teamId,
        inviterId,
        roleOf(actor),
        limits,
        now,
        id,
        email,
        role,
        tokenHash,
        expiresAt,
        tier,
        replaced,
      ),
    emails: notice,
    counted: countEmail(db, limits, tokenHash, now),
    answered: insertCreated(db, keyed, now, {
      created: "SELECT id FROM team_invitations WHERE token_hash = ?1",
      bound: [tokenHash],
    }),
  });
  const [invitation] = saved.results as Invitation[];
  if (invitation === undefined) return null;
  return { invitation, isNotified: (emails[0]?.meta.changes ?? 0) > 0 };
}

/** For the repeat of a request, or after its reply was lost. */
export async function findSentInvitation(
  db: D1Database,
  by: "id" | "token_hash",
  value: string,
  now: number,
): Promise<Invitation | null> {
  return await db
    .prepare(`SELECT ${columns("?2")} FROM team_invitations WHERE ${by} = ?1`)
    .bind(value, now)
    .first<Invitation>();
}

/** One page of the invitations of a team, newest first. */
export async function findInvitations(
  db: D1Database,
  teamId: string,
  { before, limit, now }: { before: Cursor | null; limit: number; now: number },
): Promise<Invitation[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns("?5")} FROM team_invitations
       WHERE team_id = ?1 AND (created_at, id) < (?2, ?3)
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(teamId, before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit, now)
    .all<Invitation>();
  return results;
}

/** The facts that decide whether invitations of a team are read, or one is revoked. */
export async function findRevocationFacts(
  db: D1Database,
  { teamId, id, actorId }: { teamId: string; id: string; actorId: string | null },
  now: number,
): Promise<RevocationFacts> {
  const row = await db
    .prepare(
      `SELECT (SELECT role FROM team_members WHERE team_id = ?1 AND user_id = ?2) AS actorRole,
              EXISTS (SELECT 1 FROM teams WHERE team_id = ?1) AS teamExists, i.role, i.status
       FROM (SELECT 1) LEFT JOIN (
         SELECT role, ${statusOfInvitation("team_invitations", "?4")} AS status
         FROM team_invitations WHERE id = ?3 AND team_id = ?1) AS i`,
    )
    .bind(teamId, actorId, id, now)
    .first<{
      actorRole: Role | null;
      teamExists: number;
      role: InvitedRole | null;
      status: InvitationStatus | null;
    }>();
  if (row === null) throw new Error("D1 returned no row for a SELECT of one");
  const { actorRole, teamExists, role, status } = row;
  return {
    actor: actorId === null ? "admin" : { userId: actorId, role: actorRole, tier: null },
    teamExists: teamExists === 1,
    invitation: role === null || status === null ? null : { role, status },
  };
}

/** Revokes an open invitation. @returns null if the facts have changed: nothing was written */
export async function saveRevocation(
  db: D1Database,
  { teamId, id }: { teamId: string; id: string },
  { actor }: RevocationFacts,
  now: number,
): Promise<true | null> {
  const { results } = await db
    .prepare(
      `UPDATE team_invitations SET status = 'revoked', kept_until = ?5
       WHERE id = ?4 AND team_id = ?1 AND status = 'open' AND ${isActorAsRead} RETURNING id`,
    )
    .bind(
      teamId,
      actor === "admin" ? null : actor.userId,
      roleOf(actor),
      id,
      now + INVITATION_KEPT_MS,
    )
    .all();
  return results.length > 0 ? true : null;
}

/** Invitations that were over for long enough. */
export const oldInvitations: ExpiringRows = {
  table: "team_invitations",
  key: "id",
  isOver: "kept_until <= ?1",
};

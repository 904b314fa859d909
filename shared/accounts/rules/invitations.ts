import * as v from "valibot";
import type { Failure } from "../../http/failure.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import { can, noTeam, notByRole, notByTier, wrongState } from "./deny-reasons.ts";
import { tierAllows } from "./permissions.ts";
import { accountEmail, type AccountTier, type Role } from "./schemas.ts";
import {
  fullTeam,
  fullUser,
  MAX_MEMBERS_OF_TEAM,
  MAX_TEAMS_OF_USER,
  plainMembersOnly,
} from "./teams.ts";

/**
 * Invitations to a team by an email with a link. Each function that denies returns the reason to
 * deny a request, or null if it is allowed. Pure.
 */

/** An owner is made of a member who has accepted. */
const roles = ["member", "admin"] as const;
export type InvitedRole = (typeof roles)[number];

/** `expired`: open, and its time is over. Stored are the others. */
export const invitationStatuses = ["open", "accepted", "declined", "revoked", "expired"] as const;
export type InvitationStatus = (typeof invitationStatuses)[number];

const DEFAULT_DAYS = 7;
const MAX_DAYS = 30;

export const newInvitation = v.strictObject({
  email: accountEmail,
  role: v.optional(
    v.picklist(roles, 'must be "member" or "admin": an owner is a member who has accepted'),
    "member",
  ),
  expiresInDays: v.optional(
    v.pipe(
      v.number("must be a number"),
      v.integer("must be a whole number"),
      v.minValue(1, "must be at least 1"),
      v.maxValue(MAX_DAYS, `must be at most ${MAX_DAYS}`),
    ),
    DEFAULT_DAYS,
  ),
});

/** How long an invitation is kept after it is over. */
export const INVITATION_KEPT_MS = 30 * DAY_MS;

export const MAX_OPEN_INVITATIONS = 50;

/** How many emails there are within 24 hours: repeats too. */
const limits = {
  team: { most: 50, detail: "A team sends at most 50 invitations within 24 hours." },
  inviter: { most: 50, detail: "A user sends at most 50 invitations within 24 hours." },
  address: { most: 10, detail: "An address gets at most 10 invitations within 24 hours." },
  addressOfTeam: {
    most: 3,
    detail: "A team sends an address at most 3 invitations within 24 hours.",
  },
} as const;
export type InvitationLimit = keyof typeof limits;

type Sending = { teamId: string; inviterId: string | null; email: string };

/** What counts an email. The inviter is null for an operator. */
export function countedBy({
  teamId,
  inviterId,
  email,
}: Sending): { limit: InvitationLimit; subject: string; most: number }[] {
  const subjects: Record<InvitationLimit, string | null> = {
    team: `team:${teamId}`,
    inviter: inviterId === null ? null : `user:${inviterId}`,
    address: `to:${email}`,
    addressOfTeam: `to:${email} ${teamId}`,
  };
  return (Object.keys(limits) as InvitationLimit[]).flatMap((limit) => {
    const subject = subjects[limit];
    return subject === null ? [] : [{ limit, subject, most: limits[limit].most }];
  });
}

/** Who acts on invitations of a team. `role` null: no member. `tier` null: no such user. */
type Inviter = "admin" | { userId: string; role: Role | null; tier: AccountTier | null };

/**
 * The facts that decide an invitation. `open`: how many open ones the team has, without one to the
 * same address. `replaced`: the role of an open one to it. `reached`: the limits that have no room.
 */
export type InviterFacts = {
  actor: Inviter;
  team: { exists: boolean; members: number };
  open: number;
  replaced: InvitedRole | null;
  reached: InvitationLimit[];
};

/** Nothing here depends on whether the address has an account, or is a member. */
export function denyReasonForInviting(facts: InviterFacts, wanted: InvitedRole): Failure | null {
  const { actor, team, open, replaced, reached } = facts;
  const reason =
    denyReasonOfInviter(actor, team.exists, wanted) ??
    denyReasonOfInviter(actor, team.exists, replaced ?? wanted);
  if (reason !== null) return reason;
  if (actor !== "admin" && (actor.tier === null || !tierAllows(actor.tier, "teams:invite")))
    return notByTier("teams:invite");
  if (team.members >= MAX_MEMBERS_OF_TEAM) return fullTeam;
  if (open >= MAX_OPEN_INVITATIONS)
    return wrongState(`A team has at most ${MAX_OPEN_INVITATIONS} open invitations.`);
  const [limit] = reached;
  return limit === undefined ? null : wrongState(`${limits[limit].detail} Try again tomorrow.`);
}

/** For reading the invitations of a team, and for changing one to that role. */
export function denyReasonOfInviter(
  actor: Inviter,
  teamExists: boolean,
  invitedRole: InvitedRole = "member",
): Failure | null {
  if (!teamExists) return noTeam;
  if (actor === "admin") return null;
  if (actor.role === null) return noTeam;
  if (!can(actor.role, "team:invite")) return notByRole;
  return invitedRole === "member" || can(actor.role, "team:manage-roles") ? null : plainMembersOnly;
}

export const noInvitation: Failure = { tag: "not-found", what: "invitation" };

/** The facts that decide a revocation. `invitation` null: the team has no such invitation. */
export type RevocationFacts = {
  actor: Inviter;
  teamExists: boolean;
  invitation: { role: InvitedRole; status: InvitationStatus } | null;
};

/** A repeated revocation is allowed. */
export function denyReasonForRevoking(facts: RevocationFacts): Failure | null {
  const { actor, teamExists, invitation } = facts;
  const reason = denyReasonOfInviter(actor, teamExists, invitation?.role);
  if (reason !== null) return reason;
  if (invitation === null) return noInvitation;
  switch (invitation.status) {
    case "open":
    case "expired":
    case "revoked":
      return null;
    case "accepted":
    case "declined":
      return wrongState(`The invitation is ${invitation.status} already.`);
  }
}

/**
 * The facts that decide an answer. `userId`: who answers; null if the address has no account.
 * `memberRole`: of that user in the team. `teams`: how many the user is a member of. `suspendedAt`:
 * since when the user is suspended, who could answer by the page of the link.
 */
export type AnswerFacts = {
  status: InvitationStatus;
  acceptedBy: string | null;
  userId: string | null;
  suspendedAt: number | null;
  memberRole: Role | null;
  teams: number;
  members: number;
};

/** For accepting. A repeat of the user who accepted is allowed. */
export function denyReasonForAccepting(facts: AnswerFacts): Failure | null {
  const { status, acceptedBy, userId, suspendedAt, memberRole, teams, members } = facts;
  if (userId === null) return noInvitation;
  const isRepeat = status === "accepted" && acceptedBy === userId && memberRole !== null;
  if (isRepeat) return null;
  if (status !== "open") return noInvitation;
  if (suspendedAt !== null) return { tag: "account-suspended" };
  if (memberRole !== null) return null;
  if (members >= MAX_MEMBERS_OF_TEAM) return fullTeam;
  return teams >= MAX_TEAMS_OF_USER ? fullUser : null;
}

/** For declining. A repeat is allowed. */
export function denyReasonForDeclining({ status }: Pick<AnswerFacts, "status">): Failure | null {
  return status === "open" || status === "declined" ? null : noInvitation;
}

import type { Failure } from "../../http/failure.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import {
  can,
  forbidden,
  noTeam,
  notByRole,
  notByTier,
  noUser,
  wrongState,
} from "./deny-reasons.ts";
import { tierAllows } from "./permissions.ts";
import type { Role, AccountTier } from "./schemas.ts";

/**
 * Permissions and limits of teams. Each function that denies returns the reason to deny a request,
 * or null if it is allowed. Pure.
 */

export const MAX_TEAMS_OF_USER = 50;
export const MAX_MEMBERS_OF_TEAM = 200;
/** How long a user who was added may confirm. */
const CONFIRMATION_DAYS = 14;
export const CONFIRMATION_MS = CONFIRMATION_DAYS * DAY_MS;
export const MAX_PENDING_OF_TEAM = 50;
/** A user who adds others without limit could fill their lists. */
export const MAX_PENDING_OF_ADDER = 20;

/**
 * A user who makes a request. `role` null: not a member of the team. `tier` null: the user does not
 * exist. `pending`: how many users they have added, to any team, who have not confirmed.
 */
type ActingUser = { userId: string; tier: AccountTier | null; role: Role | null; pending: number };

/**
 * The facts that decide a change of a member. The admin is always allowed. `pending`: whether the
 * target was added and has not confirmed; how many users the team waits for. `teams`: how many the
 * target is a member of.
 */
export type MemberFacts = {
  actor: "admin" | ActingUser;
  target: { userId: string; exists: boolean; role: Role | null; pending: boolean; teams: number };
  team: { exists: boolean; owners: number; members: number; pending: number };
};

const noMember: Failure = { tag: "not-found", what: "member" };
const lastOwner = wrongState(
  "The team would be left without an owner: make another member an owner first.",
);
const onlyMember = wrongState("The team has no other member: delete it instead.");
const notConfirmed = wrongState(
  "A user is added with the role member. Another role is possible once they have confirmed.",
);
export const fullTeam = wrongState(`A team has at most ${MAX_MEMBERS_OF_TEAM} members.`);
export const fullUser = wrongState(`A user is a member of at most ${MAX_TEAMS_OF_USER} teams.`);
export const plainMembersOnly = forbidden(
  "Only an owner of the team may assign a role other than member, or change or remove its holders.",
);

/** Non-members get the same answer as for a team that does not exist. */
export function denyReasonForReading(role: Role | null): Failure | null {
  return role !== null && can(role, "team:read") ? null : noTeam;
}

/**
 * Whether saving makes the target a member or changes their role, and does not ask them first. The
 * admin is trusted to have asked.
 */
export function isSavedAtOnce({ actor, target }: Pick<MemberFacts, "actor" | "target">): boolean {
  return actor === "admin" || target.role !== null;
}

/**
 * For adding the target to the team with a role, or changing their role. To a user the answer is
 * the same whether the target exists or not.
 */
export function denyReasonForSaving(facts: MemberFacts, wanted: Role): Failure | null {
  const { actor, target, team } = facts;
  if (!team.exists) return noTeam;
  if (actor !== "admin") {
    const reason = denyReasonOfActor(actor, target.role, wanted);
    if (reason !== null) return reason;
    if (target.role === null) return denyReasonForAsking(actor, facts, wanted);
  }
  if (!target.exists) return noUser;
  if (wanted !== "owner" && isLastOwner(target.role, team.owners)) return lastOwner;
  if (target.role !== null) return null;
  if (team.members >= MAX_MEMBERS_OF_TEAM) return fullTeam;
  return target.teams >= MAX_TEAMS_OF_USER ? fullUser : null;
}

function denyReasonForAsking(
  actor: ActingUser,
  { target, team }: Pick<MemberFacts, "target" | "team">,
  wanted: Role,
): Failure | null {
  if (wanted !== "member") return notConfirmed;
  if (target.pending) return null;
  if (team.members >= MAX_MEMBERS_OF_TEAM) return fullTeam;
  if (team.pending >= MAX_PENDING_OF_TEAM)
    return wrongState(`A team waits for at most ${MAX_PENDING_OF_TEAM} confirmations.`);
  return actor.pending >= MAX_PENDING_OF_ADDER
    ? wrongState(
        `A user may wait for at most ${MAX_PENDING_OF_ADDER} confirmations. Each ends after ` +
          `${CONFIRMATION_DAYS} days, when it is confirmed or declined, or when the user is ` +
          "removed.",
      )
    : null;
}

/** For confirming the own membership. `role`: of a user who has confirmed before, else null. */
export function denyReasonForConfirming(facts: {
  role: Role | null;
  pending: boolean;
  teams: number;
  members: number;
}): Failure | null {
  if (facts.role !== null) return null;
  if (!facts.pending) return noTeam;
  if (facts.members >= MAX_MEMBERS_OF_TEAM) return fullTeam;
  return facts.teams >= MAX_TEAMS_OF_USER ? fullUser : null;
}

/** The facts that decide whether a team is renamed or deleted. */
export type ManagerFacts = {
  actor: "admin" | { userId: string; role: Role | null };
  exists: boolean;
};

/** For renaming or deleting the team. */
export function denyReasonForManaging({ actor, exists }: ManagerFacts): Failure | null {
  if (!exists) return noTeam;
  if (actor === "admin") return null;
  if (actor.role === null) return noTeam;
  return can(actor.role, "team:manage")
    ? null
    : forbidden("Only an owner of the team may rename or delete it.");
}

/** For what has to do with the team's keys. */
export function denyReasonForKeys({ actor, exists }: ManagerFacts): Failure | null {
  if (!exists) return noTeam;
  if (actor === "admin") return null;
  if (actor.role === null) return noTeam;
  return can(actor.role, "team:manage")
    ? null
    : forbidden("Only an owner of the team may see and change its keys.");
}

function denyReasonOfActor(
  { role, tier }: ActingUser,
  targetRole: Role | null,
  wanted: Role,
): Failure | null {
  if (role === null) return noTeam;
  if (!can(role, "team:invite")) return notByRole;
  if ((wanted !== "member" || isMoreThanMember(targetRole)) && !can(role, "team:manage-roles"))
    return plainMembersOnly;
  const adds = targetRole === null;
  return !adds || (tier !== null && tierAllows(tier, "teams:invite"))
    ? null
    : notByTier("teams:invite");
}

/**
 * For removing the target from the team. Every member may remove themselves, and a user who was
 * added may decline. To a user the answer is the same whether the target exists or not.
 */
export function denyReasonForRemoving({ actor, target, team }: MemberFacts): Failure | null {
  if (!team.exists) return noTeam;
  if (actor !== "admin") {
    const isSelf = actor.userId === target.userId;
    if (actor.role === null) return isSelf && target.pending ? null : noTeam;
    if (!isSelf) {
      if (!can(actor.role, "team:invite")) return notByRole;
      if (isMoreThanMember(target.role) && !can(actor.role, "team:manage-roles"))
        return plainMembersOnly;
    }
  }
  if (target.role === null) {
    if (target.pending) return null;
    return actor === "admin" && !target.exists ? noUser : noMember;
  }
  if (!isLastOwner(target.role, team.owners)) return null;
  return team.members === 1 ? onlyMember : lastOwner;
}

/** For creating a team. `teams`: how many the user is a member of already. */
export function denyReasonForNewTeam({
  tier,
  teams,
}: {
  tier: AccountTier | null;
  teams: number;
}): Failure | null {
  if (tier === null) return noUser;
  if (!tierAllows(tier, "teams:create")) return notByTier("teams:create");
  return teams < MAX_TEAMS_OF_USER ? null : fullUser;
}

const isMoreThanMember = (role: Role | null): boolean => role === "owner" || role === "admin";
const isLastOwner = (role: Role | null, owners: number): boolean =>
  role === "owner" && owners === 1;

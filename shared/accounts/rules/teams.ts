import type { Failure } from "../../http/failure.ts";
import { permissionsIn, tierAllows, type TeamPermission } from "./permissions.ts";
import type { Role, AccountTier } from "./schemas.ts";

/**
 * Permissions and limits of teams and workspaces. Each function returns the reason to deny a
 * request, or null if it is allowed. Pure.
 */

export const MAX_TEAMS_OF_USER = 50;
export const MAX_MEMBERS_OF_TEAM = 200;
export const MAX_WORKSPACES_OF_USER = 100;

/**
 * Who makes the request: the admin, who is always allowed, or a user. `role` null: not a member of
 * the team. `tier` null: the user does not exist.
 */
type Actor = "admin" | { userId: string; tier: AccountTier | null; role: Role | null };

/** The facts that decide a change of a member. `teams`: how many the target is a member of. */
export type MemberFacts = {
  actor: Actor;
  target: { userId: string; exists: boolean; role: Role | null; teams: number };
  team: { exists: boolean; owners: number; members: number };
};

const noTeam: Failure = { tag: "not-found", what: "team" };
const noUser: Failure = { tag: "not-found", what: "user" };
const noMember: Failure = { tag: "not-found", what: "member" };
const lastOwner = wrongState(
  "The team would be left without an owner: make another member an owner first.",
);
const plainMembersOnly = forbidden(
  "Only an owner of the team may assign a role other than member, or change or remove its holders.",
);
const notByRole = forbidden("Only owners and admins of the team may do this.");
const notByTier = (permission: string): Failure =>
  forbidden(`This needs the permission ${permission}, which the user's tier does not have.`);

/** Non-members get the same answer as for a team that does not exist. */
export function denyReasonForReading(role: Role | null): Failure | null {
  return role !== null && can(role, "team:read") ? null : noTeam;
}

/** For adding the target to the team with a role, or changing their role. */
export function denyReasonForSaving(
  { actor, target, team }: MemberFacts,
  wanted: Role,
): Failure | null {
  if (!team.exists) return noTeam;
  const reason = actor === "admin" ? null : denyReasonOfActor(actor, target.role, wanted);
  if (reason !== null) return reason;
  if (!target.exists) return noUser;
  if (wanted !== "owner" && isLastOwner(target.role, team.owners)) return lastOwner;
  if (target.role !== null) return null;
  if (team.members >= MAX_MEMBERS_OF_TEAM)
    return wrongState(`A team has at most ${MAX_MEMBERS_OF_TEAM} members.`);
  if (target.teams >= MAX_TEAMS_OF_USER)
    return wrongState(`A user is a member of at most ${MAX_TEAMS_OF_USER} teams.`);
  return null;
}

function denyReasonOfActor(
  { role, tier }: Exclude<Actor, "admin">,
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

/** For removing the target from the team. Every member may remove themselves. */
export function denyReasonForRemoving({ actor, target, team }: MemberFacts): Failure | null {
  if (!team.exists) return noTeam;
  if (actor !== "admin") {
    if (actor.role === null) return noTeam;
    if (actor.userId !== target.userId) {
      if (!can(actor.role, "team:invite")) return notByRole;
      if (isMoreThanMember(target.role) && !can(actor.role, "team:manage-roles"))
        return plainMembersOnly;
    }
  }
  if (!target.exists) return noUser;
  if (target.role === null) return noMember;
  return isLastOwner(target.role, team.owners) ? lastOwner : null;
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
  return teams < MAX_TEAMS_OF_USER
    ? null
    : wrongState(`A user is a member of at most ${MAX_TEAMS_OF_USER} teams.`);
}

/**
 * For creating a workspace. `workspaces`: how many the user owns already. `role`: in the team of
 * the workspace; undefined for a personal workspace.
 */
export function denyReasonForNewWorkspace(facts: {
  tier: AccountTier | null;
  workspaces: number;
  role: Role | null | undefined;
}): Failure | null {
  const { tier, workspaces, role } = facts;
  if (tier === null) return noUser;
  if (role === null) return noTeam;
  if (!tierAllows(tier, "workspaces:create")) return notByTier("workspaces:create");
  if (role !== undefined && !can(role, "workspaces:create")) return notByRole;
  return workspaces < MAX_WORKSPACES_OF_USER
    ? null
    : wrongState(`A user owns at most ${MAX_WORKSPACES_OF_USER} workspaces.`);
}

const can = (role: Role, permission: TeamPermission): boolean =>
  permissionsIn(role).includes(permission);
const isMoreThanMember = (role: Role | null): boolean => role === "owner" || role === "admin";
const isLastOwner = (role: Role | null, owners: number): boolean =>
  role === "owner" && owners === 1;

function forbidden(detail: string): Failure {
  return { tag: "forbidden", detail };
}

function wrongState(detail: string): Failure {
  return { tag: "wrong-state", detail };
}

import type { Failure } from "../../http/failure.ts";
import { can, noTeam, notByRole, notByTier, noUser, wrongState } from "./deny-reasons.ts";
import { tierAllows } from "./permissions.ts";
import type { AccountTier, Role } from "./schemas.ts";

/**
 * Permissions and limits of workspaces. Each function returns the reason to deny a request, or null
 * if it is allowed. Pure.
 */

export const MAX_WORKSPACES_OF_USER = 100;
export const MAX_WORKSPACES_OF_TEAM = 1_000;

const noWorkspace: Failure = { tag: "not-found", what: "workspace" };

/**
 * The facts that decide the creation of a workspace. `workspaces`: how many the user owns already,
 * without those of teams that the user has left. `role`: in the team of the workspace; undefined
 * for a personal workspace, null for a non-member. `inTeam`: how many that team has.
 */
export type NewWorkspaceFacts = {
  tier: AccountTier | null;
  workspaces: number;
  role: Role | null | undefined;
  inTeam: number;
};

/** For creating a workspace. */
export function denyReasonForNewWorkspace(facts: NewWorkspaceFacts): Failure | null {
  const { tier, workspaces, role, inTeam } = facts;
  if (tier === null) return noUser;
  if (role === null) return noTeam;
  if (!tierAllows(tier, "workspaces:create")) return notByTier("workspaces:create");
  if (role !== undefined && !can(role, "workspaces:create")) return notByRole;
  if (role !== undefined && inTeam >= MAX_WORKSPACES_OF_TEAM)
    return wrongState(`A team has at most ${MAX_WORKSPACES_OF_TEAM} workspaces.`);
  return workspaces < MAX_WORKSPACES_OF_USER
    ? null
    : wrongState(`A user owns at most ${MAX_WORKSPACES_OF_USER} workspaces.`);
}

/**
 * The facts that decide whether a workspace is renamed or deleted. `role`: of the user in the
 * workspace's team, null for a non-member and for a personal workspace.
 */
export type WorkspaceFacts = {
  actor: "admin" | { userId: string; role: Role | null };
  workspace: { ownerId: string; teamId: string | null } | null;
};

/**
 * For renaming or deleting a workspace: by its owner, and in a team by owners and admins, too. The
 * creator of a team's workspace owns it while a member of the team.
 */
export function denyReasonForWorkspace({ actor, workspace }: WorkspaceFacts): Failure | null {
  if (workspace === null) return noWorkspace;
  if (actor === "admin") return null;
  const owns = workspace.ownerId === actor.userId;
  if (workspace.teamId === null) return owns ? null : noWorkspace;
  if (actor.role === null) return noWorkspace;
  return owns || can(actor.role, "workspaces:create") ? null : notByRole;
}

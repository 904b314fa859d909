import * as v from "valibot";
import {
  newMember,
  newName,
  newTeam,
  newWorkspace,
  team,
  teamMember,
  userId,
  workspace,
} from "../accounts/rules/schemas.ts";
import { operation } from "./operation.ts";

const tag = "teams";

export const createTeam = operation({
  id: "createTeam",
  method: "POST",
  path: "/api/teams",
  access: "user",
  tag,
  summary: "Create a team with the caller as its owner. Needs the permission teams:create.",
  idempotent: true,
  body: newTeam,
  answers: { 201: v.strictObject({ team }) },
  problems: [
    "forbidden",
    "wrong-state",
    "idempotency-key-reused",
    "unavailable",
    "outcome-unknown",
  ],
});

export const getTeam = operation({
  id: "getTeam",
  method: "GET",
  path: "/api/teams/:teamId",
  access: "caller",
  tag,
  summary:
    "A team with its members, for its members and the admin. Users who were added and have not " +
    "confirmed come last.",
  answers: { 200: v.strictObject({ team, members: v.array(teamMember) }) },
  problems: ["not-found", "unavailable"],
});

const writeProblems = [
  "not-found",
  "forbidden",
  "wrong-state",
  "unavailable",
  "outcome-unknown",
] as const;

export const renameTeam = operation({
  id: "renameTeam",
  method: "PATCH",
  path: "/api/teams/:teamId",
  access: "person",
  tag,
  summary: "Rename a team. For its owners and the admin.",
  conditional: true,
  body: newName,
  answers: { 200: v.strictObject({ team }) },
  problems: writeProblems,
});

export const deleteTeam = operation({
  id: "deleteTeam",
  method: "DELETE",
  path: "/api/teams/:teamId",
  access: "person",
  tag,
  summary: "Delete a team with its memberships and workspaces. For its owners and the admin.",
  answers: { 204: null },
  problems: writeProblems,
});

export const addMember = operation({
  id: "addMember",
  method: "POST",
  path: "/api/teams/:teamId/members",
  access: "person",
  tag,
  summary:
    "Add a user as a member, who confirms, or change a member's role. For owners, the admin, and " +
    "admins of the team (plain members only). The answer is the same for an id without an " +
    "account. The admin adds members at once, in any role. The last owner keeps the role.",
  body: newMember,
  answers: { 200: v.strictObject({ member: teamMember }) },
  problems: writeProblems,
});

export const confirmMember = operation({
  id: "confirmMember",
  method: "POST",
  path: "/api/teams/:teamId/members/:userId/confirm",
  access: "user",
  tag,
  summary: "Become a member of a team that the caller was added to, within 14 days.",
  params: { userId: { schema: userId, names: "user" } },
  answers: { 200: v.strictObject({ member: teamMember }) },
  problems: writeProblems,
});

export const removeMember = operation({
  id: "removeMember",
  method: "DELETE",
  path: "/api/teams/:teamId/members/:userId",
  access: "person",
  tag,
  summary:
    "Remove a member, or a user who has not confirmed; leave, or decline. The last owner cannot " +
    "leave.",
  params: { userId: { schema: userId, names: "user" } },
  answers: { 204: null },
  problems: writeProblems,
});

export const createWorkspace = operation({
  id: "createWorkspace",
  method: "POST",
  path: "/api/workspaces",
  access: "user",
  tag,
  summary:
    "Create a workspace, personal or of a team. Needs the permission workspaces:create and, " +
    "in a team, the role owner or admin.",
  idempotent: true,
  body: newWorkspace,
  answers: { 201: v.strictObject({ workspace }) },
  problems: ["idempotency-key-reused", ...writeProblems],
});

export const renameWorkspace = operation({
  id: "renameWorkspace",
  method: "PATCH",
  path: "/api/workspaces/:workspaceId",
  access: "person",
  tag,
  summary: "Rename a workspace. For its owner, the team's owners and admins, and the admin.",
  body: newName,
  answers: { 200: v.strictObject({ workspace }) },
  problems: writeProblems,
});

export const deleteWorkspace = operation({
  id: "deleteWorkspace",
  method: "DELETE",
  path: "/api/workspaces/:workspaceId",
  access: "person",
  tag,
  summary: "Delete a workspace. For its owner, the team's owners and admins, and the admin.",
  answers: { 204: null },
  problems: writeProblems,
});

import * as v from "valibot";
import {
  newMember,
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
  body: newTeam,
  answers: { 201: v.strictObject({ team }) },
  problems: ["forbidden", "wrong-state", "unavailable", "outcome-unknown"],
});

export const getTeam = operation({
  id: "getTeam",
  method: "GET",
  path: "/api/teams/:teamId",
  access: "caller",
  tag,
  summary: "A team with its members, for its members and the admin.",
  answers: { 200: v.strictObject({ team, members: v.array(teamMember) }) },
  problems: ["not-found", "unavailable"],
});

export const addMember = operation({
  id: "addMember",
  method: "POST",
  path: "/api/teams/:teamId/members",
  access: "caller",
  tag,
  summary:
    "Add a member or change a member's role. For owners, the admin, and admins of the team " +
    "(plain members only). The last owner keeps the role.",
  body: newMember,
  answers: { 200: v.strictObject({ member: teamMember }) },
  problems: ["not-found", "forbidden", "wrong-state", "unavailable", "outcome-unknown"],
});

export const removeMember = operation({
  id: "removeMember",
  method: "DELETE",
  path: "/api/teams/:teamId/members/:userId",
  access: "caller",
  tag,
  summary: "Remove a member, or leave. The last owner cannot leave.",
  params: { userId: { schema: userId, names: "user" } },
  answers: { 204: null },
  problems: ["not-found", "forbidden", "wrong-state", "unavailable", "outcome-unknown"],
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
  body: newWorkspace,
  answers: { 201: v.strictObject({ workspace }) },
  problems: ["not-found", "forbidden", "wrong-state", "unavailable", "outcome-unknown"],
});

import type { Failure } from "../../http/failure.ts";
import { permissionsIn, type TeamPermission } from "./permissions.ts";
import type { Role } from "./schemas.ts";

/** Reasons to deny a request that several rules share. Pure. */

export const noTeam: Failure = { tag: "not-found", what: "team" };
export const noUser: Failure = { tag: "not-found", what: "user" };
export const notByRole = forbidden("Only owners and admins of the team may do this.");
export const notByTier = (permission: string): Failure =>
  forbidden(`This needs the permission ${permission}, which the user's tier does not have.`);

export const can = (role: Role, permission: TeamPermission): boolean =>
  permissionsIn(role).includes(permission);

export function forbidden(detail: string): Failure {
  return { tag: "forbidden", detail };
}

export function wrongState(detail: string): Failure {
  return { tag: "wrong-state", detail };
}

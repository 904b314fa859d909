import {
  operatorRoles,
  strongestRole,
  type OperatorRole,
} from "../../../shared/accounts/rules/key-scopes.ts";

/**
 * Which role the groups of an operator have, who signed in through Cloudflare Access:
 * `luna-admins=admin,luna-support=support,*=viewer`. Pure.
 */
export type RoleOfGroup = { group: string; role: OperatorRole };

/** In the place of a group: everyone who signed in. */
const EVERYONE = "*";

/** @returns null if the text is none; no roles if it is empty */
export function readRoles(text: string): RoleOfGroup[] | null {
  const parts = text.split(",").map((part) => part.trim());
  if (text.trim() === "") return [];
  const roles: RoleOfGroup[] = [];
  for (const part of parts) {
    const at = part.lastIndexOf("=");
    const group = part.slice(0, Math.max(at, 0)).trim();
    const role = operatorRoles.find((one) => one === part.slice(at + 1).trim());
    if (group === "" || role === undefined) return null;
    roles.push({ group, role });
  }
  return roles;
}

/**
 * The strongest role of the groups; null if none of them has one. Without any roles each operator
 * is an admin, as before there were roles.
 */
export function roleOfGroups(
  roles: readonly RoleOfGroup[],
  groups: readonly string[],
): OperatorRole | null {
  if (roles.length === 0) return "admin";
  const own = roles.filter(({ group }) => group === EVERYONE || groups.includes(group));
  return strongestRole(own.map(({ role }) => role));
}

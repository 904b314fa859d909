import { scopesOfRole, teamScopes } from "../../shared/accounts/rules/key-scopes.ts";
import type { Access, Operation } from "../../shared/contract/operation.ts";
import { scopeNamed } from "../../shared/contract/scopes.ts";

/**
 * `docs/reference/access.md`: who may call what. The test of the API goes by the page; this keeps
 * the page complete.
 */

const columns = [
  "no token",
  "a user",
  "another user",
  "a key with emails:send",
  "a team's key",
  "READONLY_TOKEN",
  "ADMIN_TOKEN",
] as const;
export type Column = (typeof columns)[number];

/** `yes`, or the status that refuses. */
type Cells = Record<Column, "yes" | "401" | "403" | "404">;

const refused: Cells = {
  "no token": "401",
  "a user": "403",
  "another user": "403",
  "a key with emails:send": "403",
  "a team's key": "403",
  READONLY_TOKEN: "403",
  ADMIN_TOKEN: "403",
};
const yes = (...allowed: Column[]): Cells => ({
  ...refused,
  ...Object.fromEntries(allowed.map((column) => [column, "yes"])),
});
const users = ["a user", "another user", "a key with emails:send"] as const;

const byAccess: Record<Access, Cells> = {
  anyone: yes(...columns),
  admin: yes("ADMIN_TOKEN"),
  viewer: yes("ADMIN_TOKEN"),
  user: yes(...users),
  reader: yes(...users, "a team's key", "ADMIN_TOKEN"),
  caller: yes(...users, "a team's key", "ADMIN_TOKEN"),
  person: yes(...users, "ADMIN_TOKEN"),
  // The key with the scope is another user's too.
  self: yes("a user", "ADMIN_TOKEN"),
  mailer: yes("a key with emails:send", "a team's key", "ADMIN_TOKEN"),
};

/** Operations on an object that belongs to a user or team: how others are refused. */
const ofOwner: Record<string, "403" | "404"> = {
  findUser: "403",
  getEmail: "404",
  cancelEmail: "404",
  moveEmail: "404",
  getTeam: "404",
  renameTeam: "404",
  deleteTeam: "404",
  addMember: "404",
  confirmMember: "403",
  createInvitation: "404",
  listInvitations: "404",
  revokeInvitation: "404",
  removeMember: "404",
  createTeamKey: "404",
  listTeamKeys: "404",
  rotateTeamKey: "404",
  revokeTeamKey: "404",
  renameWorkspace: "404",
  deleteWorkspace: "404",
  getOwnSender: "404",
  verifySender: "404",
  deleteOwnSender: "404",
  getWebhookEndpoint: "404",
  updateWebhookEndpoint: "404",
  deleteWebhookEndpoint: "404",
  pauseWebhookEndpoint: "404",
  resumeWebhookEndpoint: "404",
  rotateWebhookSecret: "404",
  testWebhookEndpoint: "404",
  listWebhookDeliveries: "404",
  replayWebhookDelivery: "404",
  replayWebhookDeliveries: "404",
  getHeartbeat: "404",
  updateHeartbeat: "404",
  deleteHeartbeat: "404",
  pauseHeartbeat: "404",
  resumeHeartbeat: "404",
  heartbeatHistory: "404",
};

function cellsOf({ id, access, path }: Operation): Cells {
  const status = ofOwner[id];
  const cells = { ...byAccess[access] };
  if (status !== undefined) {
    Object.assign(cells, { "another user": status, "a key with emails:send": status });
    // The key is of the team that the user owns.
    const isOfTeam = path.startsWith("/api/teams/");
    if (!isOfTeam && cells["a team's key"] === "yes") cells["a team's key"] = status;
  }
  const scope = scopeNamed(id);
  if (access === "anyone") return cells;
  const opens = (scopes: readonly string[]): boolean => scope === null || scopes.includes(scope);
  if (access !== "user" && opens(scopesOfRole.viewer)) cells.READONLY_TOKEN = "yes";
  if (!opens(teamScopes)) cells["a team's key"] = "403";
  return cells;
}

/** One row for each operation. */
export function accessRows(operations: readonly Operation[]): string[] {
  return operations.map((operation) => {
    const cells = cellsOf(operation);
    return (
      `| ${operation.method} \`${operation.path}\` | ` +
      `${columns.map((column) => cells[column]).join(" | ")} | ` +
      `${scopeNamed(operation.id) ?? ""} |`.replace(/^ +/, "")
    );
  });
}

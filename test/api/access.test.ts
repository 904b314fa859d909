import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import table from "../../docs/reference/access.md?raw";
import { teamScopes } from "../../shared/accounts/rules/key-scopes.ts";
import type { Column } from "../support/access-table.ts";
import { operationOf } from "../support/conformance.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { call, callWith } from "./support.ts";

/** Every operation by every caller, as in docs/reference/access.md. */

const [head = "", , ...lines] = table.split("\n").filter((line) => line.startsWith("|"));
const cellsOf = (line: string): string[] =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
const columns = cellsOf(head).slice(1, -1) as Column[];
const cases = lines.flatMap((line) => {
  const [operation = "", ...cells] = cellsOf(line);
  const [method = "", path = ""] = operation.replaceAll("`", "").split(" ");
  return columns.map((column, n) => ({ method, path, column, expected: cells[n] ?? "" }));
});

const READONLY_TOKEN = "test-readonly-token-0123456789abcdef";
const withReadonly = callWith({ READONLY_TOKEN });
const tokens = {} as Record<Column, string | null>;
let names: Record<string, string> = {};

async function signUp(userId: string): Promise<string> {
  return (await call("POST", "/api/users", { userId, email: `${userId}@example.com`, tier: "pro" }))
    .body.apiKey;
}

beforeAll(async () => {
  const owner = await signUp("owner");
  const mailer = await signUp("mailer");
  await call("PATCH", "/api/users/mailer", { scopes: ["emails:send"] });
  Object.assign(tokens, {
    "no token": null,
    "a user": owner,
    "another user": await signUp("other"),
    "a key with emails:send": mailer,
    READONLY_TOKEN,
    ADMIN_TOKEN,
  });
  await call("PATCH", "/api/users/owner", { scopes: ["emails:send"] });
  const email = await call(
    "POST",
    "/api/emails",
    {
      to: "ada@example.com",
      subject: "Hi",
      text: "Hi",
      sendAt: new Date(Date.now() + 3_600_000).toISOString(),
    },
    { token: owner },
  );
  await call("PATCH", "/api/users/owner", { scopes: [] });
  const team = await call("POST", "/api/teams", { name: "Team" }, { token: owner });
  const { teamId } = team.body.team;
  const ofTeam = await call("POST", `/api/teams/${teamId}/api-keys`, {
    name: "Team",
    scopes: teamScopes,
  });
  tokens["a team's key"] = ofTeam.body.apiKey;
  const invitation = await call("POST", `/api/teams/${team.body.team.teamId}/invitations`, {
    email: "invited@example.com",
  });
  const workspace = await call("POST", "/api/workspaces", { name: "Desk" }, { token: owner });
  const { endpoint } = (
    await call(
      "POST",
      "/api/webhook-endpoints",
      { url: "https://example.com/", events: ["*"] },
      { token: owner },
    )
  ).body;
  const { deliveryId } = (
    await call("POST", `/api/webhook-endpoints/${endpoint.id}/test`, undefined, { token: owner })
  ).body;
  const heartbeat = await call(
    "POST",
    "/api/heartbeats",
    { name: "Backup", schedule: { every: "1d" }, graceSeconds: 60 },
    { token: owner },
  );
  const sender = await call("POST", "/api/admin/email/senders", {
    address: "owner@example.com",
    tenant: "user:owner",
  });
  names = {
    senderId: sender.body.id,
    heartbeatId: heartbeat.body.id,
    signal: "fail",
    endpointId: endpoint.id,
    deliveryId,
    userId: "owner",
    teamId,
    keyId: `key_${"0".repeat(32)}`,
    workspaceId: workspace.body.workspace.workspaceId,
    id: email.body.id,
    scope: "sender%3Anobody%40example.com",
    tag: "user:owner",
    address: "ada@example.com",
    provider: "resend",
    token: "x",
    invitationId: invitation.body.invitation.id,
  };
});

type Asked = { method: string; path: string; body?: unknown; token: string | null };

/** These take nothing that could be refused, and would change what the others need. */
const changing = new Set([
  "deleteUser",
  "rotateApiKey",
  "revokeUserKey",
  "revokeTeamKey",
  "revokeApiKey",
  "removeMember",
  "addMember",
  "revokeInvitation",
  "renameTeam",
  "deleteTeam",
  "renameWorkspace",
  "deleteWorkspace",
  "cancelEmail",
  "moveEmail",
  "retryEmail",
  "discardDeadLetter",
  "deleteWebhookEndpoint",
  "deleteHeartbeat",
  "deleteSender",
  "deleteOwnSender",
]);
/** What is refused only after the input was found to be valid. */
const bodies: Record<string, unknown> = {
  addMember: { userId: "other" },
  createTeamKey: { name: "Key", scopes: ["teams:read"] },
  rotateTeamKey: {},
  createInvitation: { email: "another@example.com" },
  renameTeam: { name: "Kern" },
  renameWorkspace: { name: "Studio" },
  updateWebhookEndpoint: { events: ["*"] },
  updateHeartbeat: { name: "Restore" },
  replayWebhookDeliveries: {},
  moveEmail: { sendAt: new Date(0).toISOString() },
};
let throwaway = 0;

/**
 * The operation on the owner's object. Where the caller may ask for it, what it asks for is refused
 * as invalid, or is about an object that is not there, or about a user of its own: nothing changes
 * that the others need.
 */
async function requestOf(
  method: string,
  path: string,
  column: Column,
  expected: string,
): Promise<Asked> {
  const operation = operationOf(method, path);
  if (operation === null) throw new Error(`the page names ${method} ${path}, which there is not`);
  const { id, access, query, body } = operation;
  const token = tokens[column];
  const fill = (values: Record<string, string>): string =>
    path.replace(/:(\w+)/g, (_, name: string) =>
      encodeURIComponent(values[name] ?? "no-such-thing"),
    );
  const sent = bodies[id] ?? { "no-such-field": 1 };
  const withBody = body === undefined ? {} : { body: sent };
  if (expected !== "yes" || !changing.has(id)) {
    const asked =
      id === "findUser"
        ? "?email=owner@example.com"
        : query === undefined || expected === "404"
          ? ""
          : "?no-such-parameter=1";
    return { method, path: `${fill(names)}${asked}`, ...withBody, token };
  }
  if (access !== "self" || column !== "a user")
    return { method, path: fill({}), ...withBody, token };
  const userId = `throwaway-${(throwaway += 1)}`;
  return { method, path: fill({ userId }), ...withBody, token: await signUp(userId) };
}

describe.each(cases)("$method $path with $column", ({ method, path, column, expected }) => {
  it(`is ${expected === "yes" ? "answered" : `refused with ${expected}`}`, async () => {
    const { path: asked, body, token } = await requestOf(method, path, column, expected);
    const { status } = await withReadonly(method, asked, body, { token, text: true });
    const outcome = ["401", "403", expected].includes(String(status)) ? String(status) : "yes";
    expect(outcome).toBe(expected);
  });
});

it("another user has changed nothing of the owner's", async () => {
  expect((await call("GET", "/api/users/owner")).body.user).toMatchObject({
    email: "owner@example.com",
    tier: "pro",
  });
  expect(
    await env.DB.prepare("SELECT status FROM emails WHERE id = ?")
      .bind(names["id"])
      .first("status"),
  ).toBe("scheduled");
  expect((await call("GET", "/api/users/owner/teams")).body.teams).toHaveLength(1);
});

import * as v from "valibot";
import {
  accountEmail,
  newUser,
  permissions,
  subscription,
  teams,
  usage,
  user,
  userChanges,
  userExport,
  userId,
  workspaces,
} from "../accounts/rules/schemas.ts";
import { time } from "../http/time.ts";
import { operation } from "./operation.ts";

const params = { userId: { schema: userId, names: "user" } };
const found = v.strictObject({ user });
const withKey = v.strictObject({ user, apiKey: v.string() });
const tag = "accounts";

export const createUser = operation({
  id: "createUser",
  method: "POST",
  path: "/api/users",
  access: "admin",
  tag,
  summary:
    "Sign up a user: user, usage metrics, subscription with trial and welcome email " +
    "in one transaction. The key is shown once: a repeat under its Idempotency-Key answers 200 " +
    "without it.",
  body: newUser,
  idempotent: true,
  answers: { 200: v.strictObject({ user, apiKey: v.optional(v.never()) }), 201: withKey },
  problems: [
    "conflict",
    "wrong-state",
    "idempotency-key-reused",
    "unavailable",
    "outcome-unknown",
    "misconfigured",
  ],
});

export const findUser = operation({
  id: "findUser",
  method: "GET",
  path: "/api/users",
  access: "person",
  tag,
  summary: "A user by email address. A user's key finds only its own user.",
  query: v.strictObject({ email: accountEmail }),
  answers: { 200: found },
  problems: ["not-found", "forbidden", "unavailable"],
});

export const getUser = operation({
  id: "getUser",
  method: "GET",
  path: "/api/users/:userId",
  access: "self",
  tag,
  summary: "A user.",
  params,
  answers: { 200: found },
  problems: ["unavailable"],
});

export const updateUser = operation({
  id: "updateUser",
  method: "PATCH",
  path: "/api/users/:userId",
  access: "self",
  tag,
  summary:
    "Change a user. Only an operator may change tier, scopes and metadata. " +
    "Naming a tier ends a trial, even if the tier stays the same. A user's own change of address " +
    "counts once the link to the new address is confirmed; the answer is the same if another " +
    "account has it. The address that counts withdraws the change.",
  params,
  conditional: true,
  body: userChanges,
  answers: {
    200: v.strictObject({
      user,
      addressChange: v.optional(v.strictObject({ email: v.string(), expiresAt: time })),
    }),
  },
  problems: ["conflict", "wrong-state", "unavailable", "outcome-unknown", "misconfigured"],
});

export const askToConfirmAddress = operation({
  id: "askToConfirmAddress",
  method: "GET",
  path: "/confirm-address/:token",
  access: "anyone",
  tag,
  summary: "A page that asks to confirm a change of address.",
  answers: { 200: { mediaType: "text/html" } },
  problems: ["not-found", "account-suspended", "unavailable"],
});

export const confirmAddress = operation({
  id: "confirmAddress",
  method: "POST",
  path: "/confirm-address/:token",
  access: "anyone",
  tag,
  summary: "Confirm a change of address. A repeat changes nothing.",
  answers: { 200: { mediaType: "text/html" } },
  problems: [
    "not-found",
    "account-suspended",
    "conflict",
    "unavailable",
    "outcome-unknown",
    "misconfigured",
  ],
});

export const deleteUser = operation({
  id: "deleteUser",
  method: "DELETE",
  path: "/api/users/:userId",
  access: "self",
  tag,
  summary:
    "Delete a user: address and key are erased, the id stays taken. " +
    "Refused while the user is the last owner of a team that has other members.",
  params,
  answers: { 204: null },
  problems: ["wrong-state", "unavailable", "outcome-unknown"],
});

export const rotateApiKey = operation({
  id: "rotateApiKey",
  method: "POST",
  path: "/api/users/:userId/api-key",
  access: "self",
  tag,
  summary:
    "Replace a user's key. The old key is refused from now on; the new key is shown once. " +
    "Of several rotations at once one replaces the key.",
  params,
  answers: { 201: withKey },
  problems: ["wrong-state", "unavailable", "outcome-unknown"],
});

export const revokeApiKey = operation({
  id: "revokeApiKey",
  method: "DELETE",
  path: "/api/users/:userId/api-key",
  access: "self",
  tag,
  summary:
    "Revoke a user's key. The admin can create a new one. With cancelUnsent the emails that were " +
    "accepted before and have not left are cancelled.",
  params,
  query: v.strictObject({
    cancelUnsent: v.optional(v.picklist(["true", "false"], 'must be "true" or "false"'), "false"),
  }),
  answers: { 204: null },
  problems: ["unavailable", "outcome-unknown"],
});

const related = <const Id extends string, const Schema extends v.GenericSchema>(
  id: Id,
  what: string,
  summary: string,
  schema: Schema,
) =>
  operation({
    id,
    method: "GET",
    path: `/api/users/:userId/${what}`,
    access: "self",
    tag,
    summary,
    params,
    answers: { 200: schema },
    problems: ["unavailable"],
  });

export const getPermissions = related(
  "getPermissions",
  "permissions",
  "A user's permissions, by tier, scopes and roles. Never stale.",
  permissions,
);
export const getSubscription = related(
  "getSubscription",
  "subscription",
  "A user's subscription, with its trial.",
  subscription,
);
export const getUsage = related("getUsage", "usage", "A user's counters.", usage);
export const getTeams = related(
  "getTeams",
  "teams",
  "The teams that a user is a member of.",
  teams,
);
export const getWorkspaces = related(
  "getWorkspaces",
  "workspaces",
  "A user's own workspaces and those of their teams.",
  workspaces,
);

export const exportUser = operation({
  id: "exportUser",
  method: "GET",
  path: "/api/users/:userId/export",
  access: "self",
  tag,
  summary:
    "Export all data of a user. It has the newest 1,000 emails that the user sent and that the " +
    "operator sent to the user, without bodies, and the newest 10,000 rows of usage by day.",
  params,
  answers: {
    200: userExport,
  },
  problems: ["unavailable"],
});

export const getMe = operation({
  id: "getMe",
  method: "GET",
  path: "/api/me",
  access: "user",
  tag,
  summary: "The user that the key belongs to.",
  answers: { 200: found },
  problems: ["unavailable"],
});

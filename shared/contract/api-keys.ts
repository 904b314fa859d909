import * as v from "valibot";
import {
  keyScopes,
  operatorRoles,
  teamScopes,
  userScopes,
  type KeyScope,
} from "../accounts/rules/key-scopes.ts";
import { userId } from "../accounts/rules/schemas.ts";
import { pageOf, shortList } from "../http/lists.ts";
import { time, timestamp } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { trimmedLine } from "../lib/worker/one-line.ts";
import { operation, page, type Access, type Parameter } from "./operation.ts";

const tag = "keys";

const keyId = v.pipe(v.string(), v.regex(/^key_[0-9a-f]{32}$/));
const ofKey = { keyId: { schema: keyId, names: "API key" } };

/** Longer ones are rotated with an overlap instead. */
const MAX_OVERLAP_SECONDS = 7 * 86_400;

const name = trimmedLine(100);
const listOf = <const Scopes extends readonly [KeyScope, ...KeyScope[]]>(scopes: Scopes) =>
  v.pipe(
    shortList(v.picklist(scopes, `must be one of ${scopes.join(", ")}`), scopes.length),
    v.minLength(1, "must have at least one scope"),
    v.check((given) => new Set(given).size === given.length, "must not name a scope twice"),
  );
const expiresAt = v.optional(timestamp);
const test = v.optional(v.boolean("must be true or false"), false);

/** `test`: its emails go nowhere and end as delivered. */
const newUserKey = v.strictObject({ name, scopes: listOf(userScopes), expiresAt, test });
const newTeamKey = v.strictObject({ name, scopes: listOf(teamScopes), expiresAt, test });
const newOperatorKey = v.pipe(
  v.strictObject({
    name,
    role: v.optional(v.picklist(operatorRoles, `must be one of ${operatorRoles.join(", ")}`)),
    scopes: v.optional(listOf(keyScopes)),
    expiresAt,
  }),
  v.forward(
    v.check(
      ({ role, scopes }) => (role === undefined) !== (scopes === undefined),
      "is needed, or a role instead; not both",
    ),
    ["scopes"],
  ),
);

const rotation = v.strictObject({
  overlapSeconds: v.optional(
    v.pipe(
      v.number("must be a number"),
      v.integer("must be a whole number"),
      v.minValue(0, "must be at least 0"),
      v.maxValue(MAX_OVERLAP_SECONDS, `must be at most ${MAX_OVERLAP_SECONDS}`),
    ),
    86_400,
  ),
});

/**
 * `prefix`: the first characters of the key. `lastUsedAt`: to ten minutes. `previousUntil`: for how
 * long the key before the last rotation works too.
 */
const apiKey = named("ApiKey", {
  id: v.string(),
  owner: v.string(),
  name: v.string(),
  prefix: v.string(),
  scopes: v.array(v.string()),
  role: v.optional(v.picklist(operatorRoles)),
  test: v.boolean(),
  createdBy: v.string(),
  previousUntil: v.optional(time),
  expiresAt: v.optional(time),
  lastUsedAt: v.optional(time),
  createdAt: time,
});
export type ApiKeyAnswer = v.InferOutput<typeof apiKey>;

const withSecret = v.strictObject({ key: apiKey, apiKey: v.string() });
const write = ["unavailable", "outcome-unknown"] as const;

type Owner = {
  path: string;
  access: Access;
  params?: Record<string, Parameter>;
};
type Named = { id: string; summary: string };

const create = <
  const Id extends string,
  const Of extends Owner,
  const Body extends v.GenericSchema,
>(
  { id, summary }: Named & { id: Id },
  of: Of,
  { body, more = [] }: { body: Body; more?: readonly "not-found"[] },
) =>
  operation({
    ...of,
    id,
    method: "POST",
    tag,
    summary,
    idempotent: true,
    body,
    answers: { 200: v.strictObject({ id: v.string() }), 201: withSecret },
    problems: [...more, "wrong-state", "idempotency-key-reused", ...write],
  });

const list = <const Id extends string, const Of extends Owner>(
  { id, summary }: Named & { id: Id },
  of: Of,
  more: readonly "not-found"[] = [],
) =>
  operation({
    ...of,
    id,
    method: "GET",
    tag,
    summary,
    query: v.strictObject(pageOf.entries),
    answers: { 200: page(apiKey) },
    problems: [...more, "unavailable"],
  });

const ROTATE =
  "Replace a key: the new one is shown once. The old one works on for overlapSeconds, a day by " +
  "default.";
const rotate = <const Id extends string, const Of extends Owner>(id: Id, of: Of) =>
  operation({
    ...of,
    id,
    method: "POST",
    tag,
    summary: ROTATE,
    body: rotation,
    answers: { 201: withSecret },
    problems: write,
  });

const revoke = <const Id extends string, const Of extends Owner>(id: Id, of: Of) =>
  operation({
    ...of,
    id,
    method: "DELETE",
    tag,
    summary: "Revoke a key.",
    answers: { 204: null },
    problems: write,
  });

const ofUser = { userId: { schema: userId, names: "user" } };
const userKeys = { path: "/api/users/:userId/api-keys", access: "self", params: ofUser } as const;
const userKey = {
  path: "/api/users/:userId/api-keys/:keyId",
  access: "self",
  params: { ...ofUser, ...ofKey },
} as const;
const teamKeys = { path: "/api/teams/:teamId/api-keys", access: "caller" } as const;
const teamKey = {
  path: "/api/teams/:teamId/api-keys/:keyId",
  access: "caller",
  params: ofKey,
} as const;
const operatorKeys = { path: "/api/admin/api-keys", access: "admin" } as const;
const operatorKey = {
  path: "/api/admin/api-keys/:keyId",
  access: "admin",
  params: ofKey,
} as const;

const SHOWN_ONCE =
  "It has no scope that its maker lacks. The key is shown once: a repeat under the " +
  "Idempotency-Key answers 200 with its id.";

export const createUserKey = create(
  { id: "createUserKey", summary: `Create a key of a user. ${SHOWN_ONCE}` },
  userKeys,
  { body: newUserKey },
);
export const listUserKeys = list(
  {
    id: "listUserKeys",
    summary: "A user's keys, newest first, without the first key.",
  },
  userKeys,
);
export const rotateUserKey = rotate("rotateUserKey", {
  ...userKey,
  path: "/api/users/:userId/api-keys/:keyId/rotate",
});
export const revokeUserKey = revoke("revokeUserKey", userKey);

export const createTeamKey = create(
  {
    id: "createTeamKey",
    summary:
      "Create a key of a team. It acts as the team and outlives its maker. Owners of the team, " +
      `keys of the team and operators may do this. ${SHOWN_ONCE}`,
  },
  teamKeys,
  { body: newTeamKey, more: ["not-found"] },
);
export const listTeamKeys = list(
  { id: "listTeamKeys", summary: "A team's keys, newest first." },
  teamKeys,
  ["not-found"],
);
export const rotateTeamKey = rotate("rotateTeamKey", {
  ...teamKey,
  path: "/api/teams/:teamId/api-keys/:keyId/rotate",
});
export const revokeTeamKey = revoke("revokeTeamKey", teamKey);

export const createOperatorKey = create(
  {
    id: "createOperatorKey",
    summary: `Create an operator's key, with a role or with scopes. ${SHOWN_ONCE}`,
  },
  operatorKeys,
  { body: newOperatorKey },
);
export const listOperatorKeys = list(
  { id: "listOperatorKeys", summary: "Operators' keys, newest first." },
  operatorKeys,
);
export const rotateOperatorKey = rotate("rotateOperatorKey", {
  ...operatorKey,
  path: "/api/admin/api-keys/:keyId/rotate",
});
export const revokeOperatorKey = revoke("revokeOperatorKey", operatorKey);

import { newKeyOf, type NewApiKey } from "../../shared/accounts/api-key.ts";
import {
  noticeToAccount,
  sendNotices,
  statementsOf,
  type AccountNotice,
} from "../../shared/accounts/notices.ts";
import {
  denyReasonForGranting,
  denyReasonForKey,
  scopesOf,
} from "../../shared/accounts/rules/key-grants.ts";
import type { KeyScope, OperatorRole } from "../../shared/accounts/rules/key-scopes.ts";
import { keyTag, tenantOfTeam, tenantOfUser } from "../../shared/accounts/rules/keys.ts";
import { denyReasonForKeys } from "../../shared/accounts/rules/teams.ts";
import * as store from "../../shared/accounts/sql/api-keys.ts";
import { findManagerFacts } from "../../shared/accounts/sql/teams.ts";
import type { ApiKeyAnswer } from "../../shared/contract/api-keys.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import { ADMIN_TENANT } from "../../shared/email/outbox.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { iso } from "../../shared/http/time.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { newUuidV7 } from "../../shared/lib/base/uuid.ts";
import type { ApiEnv } from "../env.ts";
import { noticePorts } from "./automatic-email.ts";
import { actorOf, json, noContent, type Call, type CallerOf, type Handler } from "./call.ts";
import { answerAgain, keyedRequest } from "./keyed.ts";
import { outboxOf } from "./outbox.ts";
import { withPurge } from "./purging.ts";

/** Keys of users, teams and operators: each kind has the same four operations. */

function keyAnswer({ previousUntil, expiresAt, lastUsedAt, role, ...key }: store.StoredKey) {
  const answer: ApiKeyAnswer = {
    ...key,
    ...(role !== null && { role }),
    ...(previousUntil !== null && { previousUntil: iso(previousUntil) }),
    ...(expiresAt !== null && { expiresAt: iso(expiresAt) }),
    ...(lastUsedAt !== null && { lastUsedAt: iso(lastUsedAt) }),
    createdAt: iso(key.createdAt),
  };
  return answer;
}

const newKeyId = (now: number): string => `key_${newUuidV7(now, 0).replaceAll("-", "")}`;

const noKey: Failure = { tag: "not-found", what: "API key" };

/** Whose keys a request is about. `userId`: who gets an email about them; null for nobody. */
type Owner = { owner: string; what: "user" | "team" | "operator"; userId: string | null };

const ofUser = ({ userId }: { userId: string }): Owner => ({
  owner: tenantOfUser(userId),
  what: "user",
  userId,
});
const ofOperators: Owner = { owner: ADMIN_TENANT, what: "operator", userId: null };

/** The team, if the caller may have to do with its keys. */
async function ofTeam(
  env: ApiEnv,
  caller: CallerOf<"caller">,
  { teamId }: { teamId: string },
): Promise<Result<Owner, Failure>> {
  const team: Owner = { owner: tenantOfTeam(teamId), what: "team", userId: null };
  if (caller.role === "operator") return ok(team);
  if (caller.of === "team")
    return caller.team.teamId === teamId ? ok(team) : fail({ tag: "not-found", what: "team" });
  const { userId } = caller.user;
  const facts = await readDatabase(env, () => findManagerFacts(env.DB, teamId, userId));
  if (!facts.ok) return facts;
  const denied = denyReasonForKeys(facts.value);
  return denied === null ? ok(team) : fail(denied);
}

type Wanted = {
  name: string;
  scopes: KeyScope[];
  role: OperatorRole | null;
  expiresAt: number | null;
  test: boolean;
};

type Creating = {
  operation: { id: string };
  env: ApiEnv;
  caller: CallerOf<"caller">;
  idempotencyKey: string | null;
  now: number;
};

async function create(
  call: Creating,
  { owner, what, userId }: Owner,
  wanted: Wanted,
): Promise<Result<Response, Failure>> {
  const { env, caller, now } = call;
  const denied = denyReasonForKey(wanted, caller.scopes, now);
  if (denied !== null) return fail(denied);
  const id = newKeyId(now);
  const secret = await newSecret(env, what, wanted.test);
  const keyed = await keyedRequest(call, { owner, ...wanted });
  const notice = await noticeOf(env, { userId, now }, "api-key-created", {
    condition: `(SELECT COUNT(*) FROM api_keys WHERE owner = $2) < ${store.MAX_KEYS_OF_OWNER}`,
    values: [owner],
  });
  const key = { ...wanted, id, owner, createdBy: actorOf(caller), secret };
  const created = await writeDatabase(
    () => store.insertKey(env.DB, key, keyed, { now, notice: statementsOf(notice) }),
    async (): Promise<store.KeyCreated | null> => {
      const found = await store.findKey(env.DB, { id, owner });
      return found === null ? null : { tag: "created", key: found };
    },
  );
  if (!created.ok) return created;
  switch (created.value.tag) {
    case "created":
      await sendNotices(outboxOf(env), [notice], now);
      return withSecret(created.value.key, secret);
    case "too-many":
      return fail({
        tag: "wrong-state",
        detail: `There are at most ${store.MAX_KEYS_OF_OWNER} keys of one ${what}.`,
      });
    case "no-owner":
      return fail({ tag: "not-found", what });
    case "answered":
      return answerAgain(created.value.first, keyed);
  }
}

const newSecret = async (env: ApiEnv, what: Owner["what"], test: boolean): Promise<NewApiKey> =>
  await newKeyOf(brandOf(env).slug, what === "operator" ? "op" : test ? "test" : "live");

const withSecret = (key: store.StoredKey, secret: NewApiKey): Result<Response, Failure> =>
  json({ key: keyAnswer(key), apiKey: secret.key }, { status: 201 });

type NoticeName = "api-key-created" | "api-key-rotated" | "api-key-revoked";

/** Users are notified of what happens to their keys. */
const noticeOf = async (
  env: ApiEnv,
  { userId, now }: { userId: string | null; now: number },
  name: NoticeName,
  when: { condition: string; values: string[] },
): Promise<AccountNotice | null> =>
  userId === null ? null : await noticeToAccount(noticePorts(env, now), userId, name, when);

async function list(
  { query: { limit, cursor }, env }: Pick<Call<"listOperatorKeys">, "query" | "env">,
  { owner, what }: Owner,
): Promise<Result<Response, Failure>> {
  const found = await readDatabase(env, () =>
    store.findKeys(env.DB, owner, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  if (found.value === null) return fail({ tag: "not-found", what });
  const { rows, ...next } = pageFrom(found.value, limit, ({ createdAt }) => createdAt);
  return json({ items: rows.map(keyAnswer), ...next });
}

type OfKey = { env: ApiEnv; caller: CallerOf<"caller">; now: number; keyId: string };

const isThere = "EXISTS (SELECT 1 FROM api_keys k WHERE k.id = $2 AND k.owner = $3)";

/** Who gets the new key gets all its scopes: they must have them. */
async function rotate(
  { env, caller, now, keyId: id }: OfKey,
  { owner, what, userId }: Owner,
  overlapSeconds: number,
): Promise<Result<Response, Failure>> {
  const current = await readDatabase(env, () => store.findKey(env.DB, { id, owner }));
  if (!current.ok) return current;
  if (current.value === null) return fail(noKey);
  const denied = denyReasonForGranting(scopesOf(current.value), caller.scopes);
  if (denied !== null) return fail(denied);
  const secret = await newSecret(env, what, current.value.test);
  const notice = await noticeOf(env, { userId, now }, "api-key-rotated", {
    condition: isThere,
    values: [id, owner],
  });
  const change = { secret, overlapMs: overlapSeconds * 1_000 };
  const rotated = await withPurge(env, [keyTag(id)], (purgeId) =>
    writeDatabase(
      () =>
        store.rotateKey(env.DB, { id, owner }, change, {
          purgeId,
          now,
          notice: statementsOf(notice),
        }),
      // The sweeper notifies the consumer of the email.
      async () => {
        const key = await store.findKeyByHash(env.DB, secret.hash);
        return key === null ? null : { key, notified: false };
      },
    ),
  );
  if (!rotated.ok) return rotated;
  const { key, notified } = rotated.value;
  if (key === null) return fail(noKey);
  if (notified) await sendNotices(outboxOf(env), [notice], now);
  return withSecret(key, secret);
}

async function revoke(
  { env, now, keyId: id }: Omit<OfKey, "caller">,
  { owner, userId }: Owner,
): Promise<Result<Response, Failure>> {
  const notice = await noticeOf(env, { userId, now }, "api-key-revoked", {
    condition: isThere,
    values: [id, owner],
  });
  const revoked = await withPurge(env, [keyTag(id)], (purgeId) =>
    writeDatabase(
      () => store.deleteKey(env.DB, { id, owner }, { purgeId, now, notice: statementsOf(notice) }),
      async () => {
        const key = await store.findKey(env.DB, { id, owner });
        return key === null ? { wasThere: true, notified: false } : null;
      },
    ),
  );
  if (!revoked.ok) return revoked;
  const { wasThere, notified } = revoked.value;
  if (!wasThere) return fail(noKey);
  if (notified) await sendNotices(outboxOf(env), [notice], now);
  return noContent();
}

const ofTenant = ({ name, scopes, expiresAt, test }: TenantBody): Wanted => ({
  name,
  scopes,
  role: null,
  expiresAt: expiresAt ?? null,
  test,
});
type TenantBody = Call<"createUserKey">["body"];

export const createUserKey: Handler<"createUserKey"> = async (call) =>
  await create(call, ofUser(call.params), ofTenant(call.body));

export const listUserKeys: Handler<"listUserKeys"> = async (call) =>
  await list(call, ofUser(call.params));

export const rotateUserKey: Handler<"rotateUserKey"> = async ({ params, body, ...call }) =>
  await rotate({ ...call, keyId: params.keyId }, ofUser(params), body.overlapSeconds);

export const revokeUserKey: Handler<"revokeUserKey"> = async ({ params, ...call }) =>
  await revoke({ ...call, keyId: params.keyId }, ofUser(params));

export const createTeamKey: Handler<"createTeamKey"> = async (call) => {
  const team = await ofTeam(call.env, call.caller, call.params);
  return team.ok ? await create(call, team.value, ofTenant(call.body)) : team;
};

export const listTeamKeys: Handler<"listTeamKeys"> = async (call) => {
  const team = await ofTeam(call.env, call.caller, call.params);
  return team.ok ? await list(call, team.value) : team;
};

export const rotateTeamKey: Handler<"rotateTeamKey"> = async ({ params, body, ...call }) => {
  const team = await ofTeam(call.env, call.caller, params);
  if (!team.ok) return team;
  return await rotate({ ...call, keyId: params.keyId }, team.value, body.overlapSeconds);
};

export const revokeTeamKey: Handler<"revokeTeamKey"> = async ({ params, ...call }) => {
  const team = await ofTeam(call.env, call.caller, params);
  return team.ok ? await revoke({ ...call, keyId: params.keyId }, team.value) : team;
};

export const createOperatorKey: Handler<"createOperatorKey"> = async (call) => {
  const { name, role = null, scopes = [], expiresAt } = call.body;
  const wanted = { name, role, scopes, expiresAt: expiresAt ?? null, test: false };
  return await create(call, ofOperators, wanted);
};

export const listOperatorKeys: Handler<"listOperatorKeys"> = async (call) =>
  await list(call, ofOperators);

export const rotateOperatorKey: Handler<"rotateOperatorKey"> = async ({ params, body, ...call }) =>
  await rotate({ ...call, keyId: params.keyId }, ofOperators, body.overlapSeconds);

export const revokeOperatorKey: Handler<"revokeOperatorKey"> = async ({ params, ...call }) =>
  await revoke({ ...call, keyId: params.keyId }, ofOperators);

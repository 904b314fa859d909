import { newApiKey } from "../../shared/accounts/api-key.ts";
import { readRelated, readUser, readUserByEmail } from "../../shared/accounts/reads.ts";
import {
  apiKeyKey,
  emailKey,
  userKey,
  type RelatedRead,
} from "../../shared/accounts/rules/keys.ts";
import { newUser, userChanges, type User } from "../../shared/accounts/rules/schemas.ts";
import { signUp } from "../../shared/accounts/sign-up.ts";
import { deleteUser, findDeletion, type Deletion } from "../../shared/accounts/sql/deletion.ts";
import { findExport } from "../../shared/accounts/sql/export.ts";
import {
  findUser as lookUp,
  listUsers,
  replaceApiKey,
  revokeApiKey as takeKeyAway,
  updateUser,
} from "../../shared/accounts/sql/users.ts";
import * as contract from "../../shared/contract/users.ts";
import { insertPurge } from "../../shared/database/purge-outbox/pending-purges.ts";
import { purgingAfter } from "../../shared/database/purge-outbox/purging-after.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { sender } from "../../shared/email/settings.ts";
import { readJson } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { cacheStatusField } from "../../shared/lib/cache/index.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { answerRead, consistencyOf } from "./cached.ts";
import { json, type Handler } from "./call.ts";
import { purging } from "./purging.ts";

const noSuchUser: Failure = { tag: "not-found", what: "user" };

export const createUser: Handler = async ({ request, env, now }) => {
  const user = await readJson(request, newUser);
  if (!user.ok) return user;
  const from = sender(env);
  if (!from.ok) return from;
  const { userId, email } = user.value;
  const key = await newApiKey();
  // That there was no such user may be cached.
  const names = [userKey(userId), emailKey(email), apiKeyKey(key.hash)];
  const created = await purgingAfter(purging(env), names, (intentId) => {
    const intent = insertPurge(env.DB, {
      id: intentId,
      tags: names,
      mode: "hard",
      createdAt: now,
    });
    return signUp({ db: env.DB, queue: env.EMAIL_QUEUE }, user.value, key, from.value, intent, now);
  });
  if (!created.ok) return created;
  return json(created.value, { status: 201, headers: { Location: `/api/users/${userId}` } });
};

export const getUser: Handler = async ({ request, params, env }) =>
  answerRead(await readUser(env, params["userId"] ?? "", consistencyOf(request)), "user", userView);

/**
 * A user may only ask for their own address: another's is refused before it is looked up, so the
 * answer tells nothing.
 */
export const getUserByEmail: Handler = async ({ request, url, env, caller }) => {
  const query = validate(contract.findUser.query, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { email } = query.value;
  if (caller.role === "user" && caller.user.email !== email)
    return fail({ tag: "forbidden", detail: "This key belongs to another user." });
  return answerRead(await readUserByEmail(env, email, consistencyOf(request)), "user", userView);
};

/** Permissions, subscription, usage, teams or workspaces. */
export const getRelated = (what: RelatedRead): Handler => {
  return async ({ request, params, env }) =>
    answerRead(
      await readRelated(env, params["userId"] ?? "", what, consistencyOf(request)),
      "user",
      (value) => value,
    );
};

export const getMe: Handler = async ({ caller }) => {
  if (caller.role !== "user") return fail({ tag: "unauthenticated" });
  return json(
    { user: caller.user },
    { headers: { "Cache-Status": cacheStatusField(caller.cacheStatus) } },
  );
};

export const patchUser: Handler = async ({ request, params, env, caller, now }) => {
  const changes = await readJson(request, userChanges);
  if (!changes.ok) return changes;
  const reserved = (["tier", "scopes"] as const).filter(
    (field) => changes.value[field] !== undefined,
  );
  if (caller.role !== "admin" && reserved.length > 0)
    return fail({
      tag: "forbidden",
      detail: `Only the admin may change ${reserved.join(" and ")}.`,
    });
  const userId = params["userId"] ?? "";
  const { email } = changes.value;
  const names = [userKey(userId), ...(email === undefined ? [] : [emailKey(email)])];
  const user = await purgingAfter(purging(env), names, (intentId) =>
    writeDatabase(() => updateUser(env.DB, userId, changes.value, intentId, now)),
  );
  return user.ok ? answer(user.value) : user;
};

export const removeUser: Handler = async ({ params, env, now }) => {
  const userId = params["userId"] ?? "";
  const deleted = await purgingAfter(purging(env), [userKey(userId)], (intentId) =>
    writeDatabase(
      () => deleteUser(env.DB, userId, intentId, now),
      async (): Promise<Deletion | null> => {
        const deletedAt = await findDeletion(env.DB, userId);
        if (deletedAt === null) return null;
        return deletedAt === now ? "deleted" : "absent";
      },
    ),
  );
  if (!deleted.ok) return deleted;
  switch (deleted.value) {
    case "deleted":
      return ok(new Response(null, { status: 204 }));
    case "absent":
      return fail(noSuchUser);
    case "last-owner":
      return fail({
        tag: "wrong-state",
        detail:
          "The user is the last owner of a team that has other members: make one of them an owner, or remove them.",
      });
  }
};

export const rotateApiKey: Handler = async ({ params, env, now }) => {
  const userId = params["userId"] ?? "";
  const key = await newApiKey();
  const user = await purgingAfter(
    purging(env),
    [userKey(userId), apiKeyKey(key.hash)],
    (intentId) =>
      writeDatabase(
        () => replaceApiKey(env.DB, userId, key, intentId, now),
        // Without this a lost reply would lock the user out: the old key refused, the new one never
        // shown.
        () => lookUp(env.DB, { by: "apiKeyHash", value: key.hash }),
      ),
  );
  if (!user.ok) return user;
  return user.value === null
    ? fail(noSuchUser)
    : json({ user: user.value, apiKey: key.key }, { status: 201 });
};

export const revokeApiKey: Handler = async ({ params, env, now }) => {
  const userId = params["userId"] ?? "";
  const revoked = await purgingAfter(purging(env), [userKey(userId)], (intentId) =>
    writeDatabase(
      () => takeKeyAway(env.DB, userId, intentId, now),
      async () => {
        const user = await lookUp(env.DB, { by: "userId", value: userId });
        if (user === null) return false;
        return user.apiKeyPrefix === null ? true : null;
      },
    ),
  );
  if (!revoked.ok) return revoked;
  return revoked.value ? ok(new Response(null, { status: 204 })) : fail(noSuchUser);
};

/** Straight from D1: what somebody takes along must not be older than what they did last. */
export const exportUser: Handler = async ({ params, env, now }) => {
  const found = await readDatabase(env, () => findExport(env.DB, params["userId"] ?? "", now));
  if (!found.ok) return found;
  return found.value === null ? fail(noSuchUser) : json(found.value);
};

/** Every user, newest first. `nextCursor` is there while more follow. */
export const getUsers: Handler = async ({ url, env }) => {
  const query = validate(contract.listUsers.query, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor } = query.value;
  const found = await readDatabase(env, () => listUsers(env.DB, cursor ?? null, limit + 1));
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, ({ at }) => at);
  return json({ items: rows.map(({ user }) => user), ...next });
};

const userView = (user: User): { user: User } => ({ user });

function answer(user: User | null): Result<Response, Failure> {
  return user === null ? fail(noSuchUser) : json(userView(user));
}

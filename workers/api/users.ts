import { newApiKey } from "../../shared/accounts/api-key.ts";
import { readRelated, readUser, readUserByEmail } from "../../shared/accounts/reads.ts";
import {
  apiKeyKey,
  emailKey,
  userKey,
  type RelatedRead,
} from "../../shared/accounts/rules/keys.ts";
import type { User } from "../../shared/accounts/rules/schemas.ts";
import { signUp } from "../../shared/accounts/sign-up.ts";
import * as deletion from "../../shared/accounts/sql/deletion.ts";
import { findExport } from "../../shared/accounts/sql/export.ts";
import * as store from "../../shared/accounts/sql/users.ts";
import { insertPurge } from "../../shared/database/purge-outbox/pending-purges.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { sender } from "../../shared/email/settings.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { answerRead, cacheStatusOf, consistencyOf } from "./cached.ts";
import { json, noContent, type Call, type Handler } from "./call.ts";
import { purgingAfter } from "./purging.ts";

const noSuchUser: Failure = { tag: "not-found", what: "user" };

export const createUser: Handler<"createUser"> = async ({ body: user, env, now }) => {
  const from = sender(env);
  if (!from.ok) return from;
  const { userId, email } = user;
  const key = await newApiKey();
  // The absence of the user may be cached.
  const names = [userKey(userId), emailKey(email), apiKeyKey(key.hash)];
  const created = await purgingAfter(env, names, (intentId) => {
    const intent = insertPurge(env.DB, {
      id: intentId,
      tags: names,
      mode: "hard",
      createdAt: now,
    });
    return signUp(
      { db: env.DB, queue: env.EMAIL_QUEUE },
      { user, key, from: from.value, intent, now },
    );
  });
  if (!created.ok) return created;
  return json(created.value, { status: 201, headers: { Location: `/api/users/${userId}` } });
};

export const getUser: Handler<"getUser"> = async ({ request, params, env }) =>
  answerRead(await readUser(env, params.userId, consistencyOf(request)), "user", userView);

/**
 * A user may only ask for their own address. Another address is refused before it is looked up, so
 * that the answer does not reveal whether it exists.
 */
export const findUser: Handler<"findUser"> = async ({ request, query, env, caller }) => {
  const { email } = query;
  if (caller.role === "user" && caller.user.email !== email)
    return fail({ tag: "forbidden", detail: "This key belongs to another user." });
  return answerRead(await readUserByEmail(env, email, consistencyOf(request)), "user", userView);
};

export const getPermissions: Handler<"getPermissions"> = (call) =>
  answerRelated(call, "permissions");
export const getSubscription: Handler<"getSubscription"> = (call) =>
  answerRelated(call, "subscription");
export const getUsage: Handler<"getUsage"> = (call) => answerRelated(call, "usage");
export const getTeams: Handler<"getTeams"> = (call) => answerRelated(call, "teams");
export const getWorkspaces: Handler<"getWorkspaces"> = (call) => answerRelated(call, "workspaces");

async function answerRelated(
  { request, params, env }: Pick<Call<"getUser">, "request" | "params" | "env">,
  what: RelatedRead,
): Promise<Result<Response, Failure>> {
  const read = await readRelated(env, params.userId, what, consistencyOf(request));
  return answerRead(read, "user", (value) => value);
}

export const getMe: Handler<"getMe"> = async ({ caller: { user, cacheStatus } }) =>
  json({ user }, { headers: { "Cache-Status": cacheStatusOf(cacheStatus) } });

export const updateUser: Handler<"updateUser"> = async ({
  params: { userId },
  body: changes,
  env,
  caller,
  now,
}) => {
  const reserved = (["tier", "scopes"] as const).filter((field) => changes[field] !== undefined);
  if (caller.role !== "admin" && reserved.length > 0)
    return fail({
      tag: "forbidden",
      detail: `Only the admin may change ${reserved.join(" and ")}.`,
    });
  const { email } = changes;
  const names = [userKey(userId), ...(email === undefined ? [] : [emailKey(email)])];
  const user = await purgingAfter(env, names, (intentId) =>
    writeDatabase(() => store.updateUser(env.DB, userId, changes, { intentId, now })),
  );
  return user.ok ? answer(user.value) : user;
};

export const deleteUser: Handler<"deleteUser"> = async ({ params: { userId }, env, now }) => {
  const deleted = await purgingAfter(env, [userKey(userId)], (intentId) =>
    writeDatabase(
      () => deletion.deleteUser(env.DB, userId, { intentId, now }),
      async (): Promise<deletion.Deletion | null> => {
        const deletedAt = await deletion.findDeletion(env.DB, userId);
        if (deletedAt === null) return null;
        return deletedAt === now ? "deleted" : "absent";
      },
    ),
  );
  if (!deleted.ok) return deleted;
  switch (deleted.value) {
    case "deleted":
      return noContent();
    case "absent":
      return fail(noSuchUser);
    case "last-owner":
      return fail({
        tag: "wrong-state",
        detail:
          "The user is the last owner of a team that has other members: " +
          "make one of them an owner, or remove them.",
      });
  }
};

export const rotateApiKey: Handler<"rotateApiKey"> = async ({ params: { userId }, env, now }) => {
  const key = await newApiKey();
  const user = await purgingAfter(env, [userKey(userId), apiKeyKey(key.hash)], (intentId) =>
    writeDatabase(
      () => store.replaceApiKey(env.DB, userId, key, { intentId, now }),
      // Without this a lost reply would lock the user out: the old key is refused, and the
      // new one was never shown.
      () => store.findUser(env.DB, { by: "apiKeyHash", value: key.hash }),
    ),
  );
  if (!user.ok) return user;
  return user.value === null
    ? fail(noSuchUser)
    : json({ user: user.value, apiKey: key.key }, { status: 201 });
};

export const revokeApiKey: Handler<"revokeApiKey"> = async ({ params: { userId }, env, now }) => {
  const revoked = await purgingAfter(env, [userKey(userId)], (intentId) =>
    writeDatabase(
      () => store.revokeApiKey(env.DB, userId, { intentId, now }),
      async () => {
        const user = await store.findUser(env.DB, { by: "userId", value: userId });
        if (user === null) return false;
        return user.apiKeyPrefix === null ? true : null;
      },
    ),
  );
  if (!revoked.ok) return revoked;
  return revoked.value ? noContent() : fail(noSuchUser);
};

/** Read from D1 and not from the cache: an export must not be older than the last write. */
export const exportUser: Handler<"exportUser"> = async ({ params: { userId }, env, now }) => {
  const found = await readDatabase(env, () => findExport(env.DB, userId, now));
  if (!found.ok) return found;
  return found.value === null ? fail(noSuchUser) : json(found.value);
};

/** Every user, newest first. `nextCursor` is present while more follow. */
export const listUsers: Handler<"listUsers"> = async ({ query: { limit, cursor }, env }) => {
  const found = await readDatabase(env, () => store.listUsers(env.DB, cursor ?? null, limit + 1));
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, ({ at }) => at);
  return json({ items: rows.map(({ user }) => user), ...next });
};

const userView = (user: User): { user: User } => ({ user });

function answer(user: User | null): Result<Response, Failure> {
  return user === null ? fail(noSuchUser) : json(userView(user));
}

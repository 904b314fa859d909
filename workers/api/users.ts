import { newApiKey } from "../../shared/accounts/api-key.ts";
import { accountEmail, newUser, userChanges, type User } from "../../shared/accounts/schemas.ts";
import { signUp } from "../../shared/accounts/sign-up.ts";
import { deleteUser, findDeletion, findUser, replaceApiKey, updateUser } from "../../shared/accounts/store.ts";
import { sender } from "../../shared/config.ts";
import type { Failure, FieldError } from "../../shared/failure.ts";
import { readJson, validate } from "../../shared/http/body.ts";
import { fail, ok, type Result } from "../../shared/result.ts";
import { json, type Handler } from "./call.ts";
import { readDatabase, writeDatabase } from "./database.ts";

const noSuchUser: Failure = { tag: "not-found", what: "user" };

export const createUser: Handler = async ({ request, env, now }) => {
  const user = await readJson(request, newUser);
  if (!user.ok) return user;
  const from = sender(env);
  if (!from.ok) return from;
  const created = await signUp({ db: env.DB, queue: env.EMAIL_QUEUE }, user.value, from.value, now);
  if (!created.ok) return created;
  return json(created.value, { status: 201, headers: { Location: `/api/users/${user.value.userId}` } });
};

export const getUser: Handler = async ({ params, env }) => {
  const user = await readDatabase(env, () => findUser(env.DB, { by: "userId", value: params["userId"] ?? "" }));
  return user.ok ? answer(user.value) : user;
};

/** A user may only ask for their own address: another's is refused before it is looked up, so the answer tells nothing. */
export const getUserByEmail: Handler = async ({ url, env, caller }) => {
  const email = validate(accountEmail, url.searchParams.get("email") ?? undefined);
  if (!email.ok) return fail({ tag: "invalid", errors: email.error.errors.map((error): FieldError => ({ ...error, path: "email" })) });
  if (caller.role === "user" && caller.user.email !== email.value)
    return fail({ tag: "forbidden", detail: "This key belongs to another user." });
  const user = await readDatabase(env, () => findUser(env.DB, { by: "email", value: email.value }));
  return user.ok ? answer(user.value) : user;
};

export const getMe: Handler = async ({ caller }) => {
  if (caller.role !== "user") return fail({ tag: "forbidden", detail: "The admin token belongs to no user." });
  return json({ user: caller.user });
};

export const patchUser: Handler = async ({ request, params, env, caller, now }) => {
  const changes = await readJson(request, userChanges);
  if (!changes.ok) return changes;
  const reserved = (["tier", "scopes"] as const).filter((field) => changes.value[field] !== undefined);
  if (caller.role !== "admin" && reserved.length > 0)
    return fail({ tag: "forbidden", detail: `Only the admin may change ${reserved.join(" and ")}.` });
  const user = await writeDatabase(() => updateUser(env.DB, params["userId"] ?? "", changes.value, now));
  return user.ok ? answer(user.value) : user;
};

export const removeUser: Handler = async ({ params, env, now }) => {
  const userId = params["userId"] ?? "";
  const deleted = await writeDatabase(
    () => deleteUser(env.DB, userId, now),
    async () => {
      const deletedAt = await findDeletion(env.DB, userId);
      return deletedAt === null ? null : deletedAt === now;
    },
  );
  if (!deleted.ok) return deleted;
  return deleted.value ? ok(new Response(null, { status: 204 })) : fail(noSuchUser);
};

export const rotateApiKey: Handler = async ({ params, env, now }) => {
  const key = await newApiKey();
  const user = await writeDatabase(
    () => replaceApiKey(env.DB, params["userId"] ?? "", key, now),
    // Without this a lost reply would lock the user out: the old key refused, the new one never shown.
    () => findUser(env.DB, { by: "apiKeyHash", value: key.hash }),
  );
  if (!user.ok) return user;
  return user.value === null ? fail(noSuchUser) : json({ user: user.value, apiKey: key.key }, { status: 201 });
};

function answer(user: User | null): Result<Response, Failure> {
  return user === null ? fail(noSuchUser) : json({ user });
}

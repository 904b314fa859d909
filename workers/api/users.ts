import { requestAddressChange } from "../../shared/accounts/address-change.ts";
import { newApiKey } from "../../shared/accounts/api-key.ts";
import { noticeToAccount, sendNotices, statementsOf } from "../../shared/accounts/notices.ts";
import { readRelated, readUser, readUserByEmail } from "../../shared/accounts/reads.ts";
import { denyReasonForGranting } from "../../shared/accounts/rules/key-grants.ts";
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
import { keepTrialOf } from "../../shared/accounts/sql/trial-addresses.ts";
import * as store from "../../shared/accounts/sql/users.ts";
import { insertPurge } from "../../shared/database/purge-outbox/pending-purges.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { isSent } from "../../shared/email/automatic-emails.ts";
import { brandOf } from "../../shared/email/brand.ts";
import type { Outbox } from "../../shared/email/outbox.ts";
import { publicUrl, sender } from "../../shared/email/settings.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { answerRead, cacheStatusOf, consistencyOf } from "./cached.ts";
import { json, noContent, type Call, type Handler } from "./call.ts";
import { withPurge } from "./purging.ts";

const noSuchUser: Failure = { tag: "not-found", what: "user" };

export const createUser: Handler<"createUser"> = async ({ body: user, env, now }) => {
  const from = sender(env);
  if (!from.ok) return from;
  const { userId, email } = user;
  const key = await newApiKey(brandOf(env).slug);
  // The absence of the user may be cached.
  const names = [userKey(userId), emailKey(email), apiKeyKey(key.hash)];
  const created = await withPurge(env, names, (purgeId) => {
    const purge = { id: purgeId, tags: names, mode: "hard" as const, createdAt: now };
    return signUp(outboxOf(env), {
      settings: env,
      user,
      key,
      welcome: isSent(env, "welcome") ? { from: from.value, brand: brandOf(env) } : null,
      intent: insertPurge(env.DB, purge),
      now,
    });
  });
  if (!created.ok) return created;
  return json(created.value, { status: 201, headers: { Location: `/api/users/${userId}` } });
};

export const getUser: Handler<"getUser"> = async ({ request, params, env }) =>
  answerRead(env, await readUser(env, params.userId, consistencyOf(request)), "user", userAnswer);

/**
 * A user may only ask for their own address. Another address is refused before it is looked up, so
 * that the answer does not reveal whether it exists.
 */
export const findUser: Handler<"findUser"> = async ({ request, query, env, caller }) => {
  const { email } = query;
  if (caller.role === "tenant" && caller.user.email !== email)
    return fail({ tag: "forbidden", detail: "This key belongs to another user." });
  return answerRead(
    env,
    await readUserByEmail(env, email, consistencyOf(request)),
    "user",
    userAnswer,
  );
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
  return answerRead(env, read, "user", (value) => value);
}

export const getMe: Handler<"getMe"> = async ({ env, caller: { user, cacheStatus } }) =>
  json({ user }, { headers: { "Cache-Status": cacheStatusOf(env, cacheStatus) } });

export const updateUser: Handler<"updateUser"> = async ({
  params: { userId },
  body: changes,
  env,
  caller,
  now,
}) => {
  const reserved = (["tier", "scopes"] as const).filter((field) => changes[field] !== undefined);
  if (caller.role === "tenant" && reserved.length > 0)
    return fail({
      tag: "forbidden",
      detail: `Only the admin may change ${reserved.join(" and ")}.`,
    });
  const { email } = changes;
  const denied = denyReasonForGranting(changes.scopes ?? [], caller.scopes);
  if (denied !== null) return fail(denied);
  if (caller.role === "tenant" && email !== undefined)
    return await requestAddress(env, caller.user, email, now);
  const names = [userKey(userId), ...(email === undefined ? [] : [emailKey(email)])];
  const notice =
    email === undefined
      ? null
      : noticeToAccount({ db: env.DB, env, now }, userId, "address-changed", {
          condition: "email <> $2",
          values: [email],
        });
  const saved = await withPurge(env, names, (purgeId) =>
    writeDatabase(() =>
      store.saveUser(env.DB, userId, changes, { purgeId, now, notice: statementsOf(notice) }),
    ),
  );
  if (!saved.ok) return saved;
  if (saved.value.notified) await sendNotices(outboxOf(env), [notice], now);
  return answer(saved.value.user);
};

/** A user's own change of address waits for its confirmation. The current one withdraws it. */
async function requestAddress(
  env: ApiEnv,
  { userId }: User,
  email: string,
  now: number,
): Promise<Result<Response, Failure>> {
  if (!isSent(env, "address-confirmation"))
    return fail({ tag: "forbidden", detail: "Only the admin may change email." });
  const [from, url] = [sender(env), publicUrl(env)];
  if (!from.ok) return from;
  if (!url.ok) return url;
  const current = await readDatabase(env, () =>
    store.findUserBy(env.DB, { by: "userId", value: userId }),
  );
  if (!current.ok) return current;
  if (current.value?.email === email) {
    const withdraw = async (): Promise<true> => {
      await store.withdrawAddressRequest(env.DB, userId).run();
      return true;
    };
    const withdrawn = await writeDatabase(withdraw, withdraw);
    return withdrawn.ok ? answer(current.value) : withdrawn;
  }
  const requested = await requestAddressChange(outboxOf(env), {
    userId,
    email,
    env,
    from: from.value,
    publicUrl: url.value,
    now,
  });
  if (!requested.ok) return requested;
  const { user, expiresAt } = requested.value;
  return json({ user, addressChange: { email, expiresAt: new Date(expiresAt).toISOString() } });
}

const outboxOf = ({ DB, EMAIL_QUEUE }: ApiEnv): Outbox => ({ db: DB, queue: EMAIL_QUEUE });

export const deleteUser: Handler<"deleteUser"> = async ({ params: { userId }, env, now }) => {
  const keepTrial = async (): Promise<true> => {
    await keepTrialOf(env.DB, userId, now);
    return true;
  };
  const kept = await writeDatabase(keepTrial, keepTrial);
  if (!kept.ok) return kept;
  const notice = noticeToAccount({ db: env.DB, env, now }, userId, "account-deleted", {
    condition: `NOT ${deletion.isLastOwner}`,
    values: [],
  });
  const deleted = await withPurge(
    env,
    [userKey(userId)],
    (purgeId) =>
      writeDatabase(
        () => deletion.saveDeletion(env.DB, userId, { purgeId, now, notice: statementsOf(notice) }),
        () => deletion.findDeletion(env.DB, userId, { purgeId, now }),
      ),
    (written) => (written.tag === "deleted" ? written.tags : []),
  );
  if (!deleted.ok) return deleted;
  switch (deleted.value.tag) {
    case "deleted":
      await sendNotices(outboxOf(env), [notice], now);
      return noContent();
    case "absent":
      return fail(noSuchUser);
    case "last-owner":
      return fail({
        tag: "wrong-state",
        detail:
          "The user is the last owner of a team that has other members: " +
          "make one of them an owner, remove them, or delete the team.",
      });
  }
};

/** Read from D1 and not from the cache: an export must not be older than the last write. */
export const exportUser: Handler<"exportUser"> = async ({ params: { userId }, env, now }) => {
  const found = await readDatabase(env, () => findExport(env.DB, userId, now));
  if (!found.ok) return found;
  return found.value === null ? fail(noSuchUser) : json(found.value);
};

/** Every user, newest first. `nextCursor` is present while more follow. */
export const listUsers: Handler<"listUsers"> = async ({ query: { limit, cursor }, env }) => {
  const found = await readDatabase(env, () => store.findUsers(env.DB, cursor ?? null, limit + 1));
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, ({ at }) => at);
  return json({ items: rows.map(({ user }) => user), ...next });
};

const userAnswer = (user: User): { user: User } => ({ user });

function answer(user: User | null): Result<Response, Failure> {
  return user === null ? fail(noSuchUser) : json(userAnswer(user));
}

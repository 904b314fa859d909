import { newApiKey } from "../../shared/accounts/api-key.ts";
import { noticeToAccount, sendNotices, statementsOf } from "../../shared/accounts/notices.ts";
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
import { keepTrialOf } from "../../shared/accounts/sql/trial-addresses.ts";
import { findUsers, type UserFilter } from "../../shared/accounts/sql/user-lists.ts";
import { findUserBy } from "../../shared/accounts/sql/users.ts";
import { insertPurge } from "../../shared/database/purge-outbox/pending-purges.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { isSent } from "../../shared/email/automatic-emails.ts";
import { brandOf } from "../../shared/email/brand.ts";
import { sender } from "../../shared/email/settings.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { automatic, noticePorts } from "./automatic-email.ts";
import { answerRead, cacheStatusOf, consistencyOf } from "./cached.ts";
import { json, noContent, type Call, type Handler } from "./call.ts";
import { withEtag } from "./etag.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";
import { outboxOf } from "./outbox.ts";
import { withPurge } from "./purging.ts";

const noSuchUser: Failure = { tag: "not-found", what: "user" };

export const createUser: Handler<"createUser"> = async (call) => {
  const { body: user, env, now } = call;
  const from = sender(env);
  if (!from.ok) return from;
  const { userId, email } = user;
  const key = await newApiKey(brandOf(env).slug);
  // The absence of the user may be cached.
  const names = [userKey(userId), emailKey(email), apiKeyKey(key.hash)];
  const keyed = await keyedRequest(call, user);
  const welcome = isSent(env, "welcome") ? await automatic(env, "welcome") : null;
  const create = async () => {
    const created = await withPurge(env, names, (purgeId) => {
      const purge = { id: purgeId, tags: names, mode: "hard" as const, createdAt: now };
      return signUp(outboxOf(env), {
        settings: env,
        user,
        key,
        welcome: welcome === null ? null : { from: from.value, render: welcome },
        intent: insertPurge(env.DB, purge),
        keyed,
        now,
      });
    });
    if (!created.ok) return created;
    return json(created.value, { status: 201, headers: { Location: `/api/users/${userId}` } });
  };
  const again = (id: string) =>
    readAgain(
      env,
      () => findUserBy(env.DB, { by: "userId", value: id }),
      (found) => json(userAnswer(found)),
    );
  return await createOnce(call, keyed, { create, again });
};

export const getUser: Handler<"getUser"> = async ({ request, params, env }) => {
  const read = await readUser(env, params.userId, consistencyOf(request));
  const answer = answerRead(env, read, "user", userAnswer);
  return read.ok && read.value !== null ? withEtag(answer, userAnswer(read.value)) : answer;
};

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

export const deleteUser: Handler<"deleteUser"> = async ({ params: { userId }, env, now }) => {
  const keepTrial = async (): Promise<true> => {
    await keepTrialOf(env.DB, userId, now);
    return true;
  };
  const kept = await writeDatabase(keepTrial, keepTrial);
  if (!kept.ok) return kept;
  const notice = await noticeToAccount(noticePorts(env, now), userId, "account-deleted", {
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

/** `nextCursor` is present while more follow. */
export const listUsers: Handler<"listUsers"> = async ({ query, env }) => {
  const { limit, cursor } = query;
  const found = await readDatabase(env, () =>
    findUsers(env.DB, filterOf(query), cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, ({ at }) => at);
  return json({ items: rows.map(({ user }) => user), ...next });
};

function filterOf(query: Call<"listUsers">["query"]): UserFilter {
  const { idPrefix, emailPrefix, createdFrom, createdTo, updatedFrom, updatedTo } = query;
  if (idPrefix !== undefined) return { by: "id", prefix: idPrefix };
  if (emailPrefix !== undefined) return { by: "address", prefix: emailPrefix };
  return updatedFrom === undefined && updatedTo === undefined
    ? { by: "created", from: createdFrom ?? null, to: createdTo ?? null }
    : { by: "updated", from: updatedFrom ?? null, to: updatedTo ?? null };
}

const userAnswer = (user: User): { user: User } => ({ user });

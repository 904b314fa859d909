import { newApiKey } from "../../shared/accounts/api-key.ts";
import { noticeToAccount, sendNotices, statementsOf } from "../../shared/accounts/notices.ts";
import { denyReasonForGranting } from "../../shared/accounts/rules/key-grants.ts";
import { scopesOfUser, userScopes } from "../../shared/accounts/rules/key-scopes.ts";
import { apiKeyKey, userKey } from "../../shared/accounts/rules/keys.ts";
import * as store from "../../shared/accounts/sql/users.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok } from "../../shared/lib/base/result.ts";
import { noticePorts } from "./automatic-email.ts";
import { json, noContent, type Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";
import { withPurge } from "./purging.ts";

/** The first key of a user, which does all that the user may. */

const noSuchUser: Failure = { tag: "not-found", what: "user" };

/** Of several rotations of one key, one replaces it. */
export const rotateApiKey: Handler<"rotateApiKey"> = async ({
  params: { userId },
  env,
  caller,
  now,
}) => {
  const find = () => store.findUserBy(env.DB, { by: "userId", value: userId });
  // The first key does all that the user may, and it is shown to who replaces it.
  const all = caller.role === "tenant" ? scopesOfUser(caller.user.scopes) : userScopes;
  const denied = denyReasonForGranting(all, caller.scopes);
  if (denied !== null) return fail(denied);
  // A user replaces the first key as it is when they call.
  const current = caller.role === "tenant" ? ok(caller.user) : await readDatabase(env, find);
  if (!current.ok) return current;
  if (current.value === null) return fail(noSuchUser);
  const replacedPrefix = current.value.apiKeyPrefix;
  const key = await newApiKey(brandOf(env).slug);
  const notice = await noticeToAccount(noticePorts(env, now), userId, "api-key-rotated", {
    condition: "api_key_prefix IS $2",
    values: [replacedPrefix],
  });
  const user = await withPurge(env, [userKey(userId), apiKeyKey(key.hash)], (purgeId) =>
    writeDatabase(
      () =>
        store.replaceApiKey(
          env.DB,
          userId,
          { key, replacedPrefix },
          { purgeId, now, notice: statementsOf(notice) },
        ),
      // Without this a lost reply would lock the user out: the old key is refused, and the
      // new one was never shown.
      () => store.findUserBy(env.DB, { by: "apiKeyHash", value: key.hash }),
    ),
  );
  if (!user.ok) return user;
  if (user.value === null)
    return fail({
      tag: "wrong-state",
      detail: "The key was replaced or revoked at the same time.",
    });
  await sendNotices(outboxOf(env), [notice], now);
  return json({ user: user.value, apiKey: key.key }, { status: 201 });
};

export const revokeApiKey: Handler<"revokeApiKey"> = async ({
  params: { userId },
  query,
  env,
  now,
}) => {
  const cancelUnsent = query.cancelUnsent === "true";
  const notice = await noticeToAccount(noticePorts(env, now), userId, "api-key-revoked", {
    condition: "api_key_hash IS NOT NULL",
    values: [],
  });
  const revoked = await withPurge(env, [userKey(userId)], (purgeId) =>
    writeDatabase(
      () =>
        store.deleteApiKey(env.DB, userId, {
          purgeId,
          now,
          notice: statementsOf(notice),
          cancelUnsent,
        }),
      () => store.findRevocation(env.DB, userId, { now, cancelUnsent }),
    ),
  );
  if (!revoked.ok) return revoked;
  const { isThere, notified } = revoked.value;
  if (!isThere) return fail(noSuchUser);
  if (notified) await sendNotices(outboxOf(env), [notice], now);
  return noContent();
};

import { requestAddressChange } from "../../shared/accounts/address-change.ts";
import { noticeToAccount, sendNotices, statementsOf } from "../../shared/accounts/notices.ts";
import { denyReasonForGranting } from "../../shared/accounts/rules/key-grants.ts";
import { emailKey, userKey } from "../../shared/accounts/rules/keys.ts";
import type { User } from "../../shared/accounts/rules/schemas.ts";
import * as store from "../../shared/accounts/sql/users.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { isSent } from "../../shared/email/automatic-emails.ts";
import { publicUrl, sender } from "../../shared/email/settings.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { noticePorts } from "./automatic-email.ts";
import { json, type Handler } from "./call.ts";
import { timeOfChange, whenRead, withEtag } from "./etag.ts";
import { outboxOf } from "./outbox.ts";
import { withPurge } from "./purging.ts";

const noSuchUser: Failure = { tag: "not-found", what: "user" };

export const updateUser: Handler<"updateUser"> = async ({
  request,
  params: { userId },
  body: changes,
  env,
  caller,
  now,
}) => {
  const reserved = (["tier", "scopes", "metadata"] as const).filter(
    (field) => changes[field] !== undefined,
  );
  if (caller.role === "tenant" && reserved.length > 0)
    return fail({
      tag: "forbidden",
      detail: `Only the admin may change ${reserved.join(" and ")}.`,
    });
  const { email } = changes;
  const denied = denyReasonForGranting(changes.scopes ?? [], caller.scopes);
  if (denied !== null) return fail(denied);
  const asRead = await whenRead(
    request,
    () => readDatabase(env, () => store.findUserBy(env.DB, { by: "userId", value: userId })),
    { absent: noSuchUser, answerOf: (user) => ({ user }), versionOf: timeOfChange },
  );
  if (!asRead.ok) return asRead;
  if (caller.role === "tenant" && email !== undefined)
    return await requestAddress(env, caller.user, email, now);
  const readAt = asRead.value;
  const names = [userKey(userId), ...(email === undefined ? [] : [emailKey(email)])];
  const notice =
    email === undefined
      ? null
      : await noticeToAccount(noticePorts(env, now), userId, "address-changed", {
          condition: "email <> $2 AND ($3 IS NULL OR updated_at = $3)",
          values: [email, readAt === null ? null : String(readAt)],
        });
  const saved = await withPurge(env, names, (purgeId) =>
    writeDatabase(() =>
      store.saveUser(env.DB, userId, changes, {
        purgeId,
        now,
        notice: statementsOf(notice),
        readAt,
      }),
    ),
  );
  if (!saved.ok) return saved;
  // It was there when it was read: another request has changed it since.
  if (saved.value.user === null && readAt !== null) return fail({ tag: "precondition-failed" });
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
    ...noticePorts(env, now),
    userId,
    email,
    from: from.value,
    publicUrl: url.value,
  });
  if (!requested.ok) return requested;
  const { user, expiresAt } = requested.value;
  return json({ user, addressChange: { email, expiresAt: new Date(expiresAt).toISOString() } });
}

async function answer(user: User | null): Promise<Result<Response, Failure>> {
  return user === null ? fail(noSuchUser) : await withEtag(json({ user }), { user });
}

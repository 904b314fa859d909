import { userKey } from "../../shared/accounts/rules/keys.ts";
import * as store from "../../shared/accounts/sql/suspensions.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { notify } from "../../shared/email/notify.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";
import { withPurge } from "./purging.ts";

export const suspendUser: Handler<"suspendUser"> = async ({
  params: { userId },
  body: { reason },
  env,
  now,
}) => {
  const suspended = await withPurge(env, [userKey(userId)], (purgeId) =>
    writeDatabase(() => store.suspend(env.DB, userId, reason, { purgeId, now })),
  );
  if (!suspended.ok) return suspended;
  if (suspended.value === null) return fail({ tag: "not-found", what: "user" });
  return json({ user: suspended.value });
};

export const resumeUser: Handler<"resumeUser"> = async ({ params: { userId }, env, now }) => {
  const resumed = await withPurge(env, [userKey(userId)], (purgeId) =>
    writeDatabase(() => store.resume(env.DB, userId, { purgeId, now })),
  );
  if (!resumed.ok) return resumed;
  const { user, due } = resumed.value;
  await notify(outboxOf(env), due, now);
  return user === null ? fail({ tag: "not-found", what: "user" }) : json({ user });
};

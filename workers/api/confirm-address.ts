import {
  newNotice,
  renderedNotice,
  sendNotices,
  statementsOf,
} from "../../shared/accounts/notices.ts";
import { emailKey, userKey } from "../../shared/accounts/rules/keys.ts";
import * as store from "../../shared/accounts/sql/address-changes.ts";
import { insertAuditIf } from "../../shared/database/audit-log.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import { sender } from "../../shared/email/settings.ts";
import { templatesInCache } from "../../shared/email/templates/published.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { currentRequestId } from "../../shared/lib/worker/trace.ts";
import type { ApiEnv } from "../env.ts";
import { hashed } from "./audit.ts";
import type { Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";
import { formPage } from "./page.ts";
import { withPurge } from "./purging.ts";

type Found = store.FoundRequest & { tokenHash: string };

/** Asks first: scanners and previews follow links and must not confirm. */
export const askToConfirmAddress: Handler<"askToConfirmAddress"> = async ({ params, env, now }) => {
  const found = await requestOfToken(env, params.token, now);
  if (!found.ok) return found;
  if (found.value.confirmed) return confirmedPage(env);
  // An id has no character that HTML treats specially.
  return formPage(
    "Confirm your address",
    `<p>The account <strong>${found.value.userId}</strong> gets this email address.
If that is not your account, close this page.</p>
<form method="post"><button>Confirm</button></form>`,
    brandOf(env),
  );
};

/** A repeat gets the same page. */
export const confirmAddress: Handler<"confirmAddress"> = async (call) => {
  const { params, env, now } = call;
  const found = await requestOfToken(env, params.token, now);
  if (!found.ok) return found;
  const { userId, email, tokenHash, confirmed } = found.value;
  if (confirmed) return confirmedPage(env);
  const from = sender(env);
  if (!from.ok) return from;
  const rendered = await renderedNotice(
    { env, readTemplates: templatesInCache(env) },
    "address-changed",
    userId,
  );
  const source = store.confirmationSource(tokenHash, now);
  const notice =
    rendered === null ? null : newNotice(env.DB, { from: from.value, source, now }, rendered);
  const along = [await auditOf(call, found.value), ...statementsOf(notice)];
  const written = await withPurge(env, [userKey(userId), emailKey(email)], (purgeId) =>
    writeDatabase(
      () =>
        store.saveConfirmedAddress(env.DB, { userId, email, tokenHash }, along, { purgeId, now }),
      async () =>
        (await store.findAddressRequest(env.DB, tokenHash, now))?.confirmed === true ? true : null,
    ),
  );
  if (!written.ok) return written;
  if (written.value) {
    await sendNotices(outboxOf(env), [notice], now);
    return confirmedPage(env);
  }
  // Since it was read it was withdrawn, replaced or confirmed, or the user was suspended.
  const left = await requestOfToken(env, params.token, now);
  if (!left.ok) return left;
  return left.value.confirmed ? confirmedPage(env) : fail({ tag: "account-suspended" });
};

/** The entry in the audit log. Its path is without the token, which is a secret. */
async function auditOf(
  { env, operation, now }: Parameters<Handler<"confirmAddress">>[0],
  { userId, present, email, tokenHash }: Found,
): Promise<D1PreparedStatement> {
  const entry = {
    id: crypto.randomUUID(),
    at: now,
    actor: `user:${userId}`,
    operation: operation.id,
    path: operation.path,
    requestId: currentRequestId() ?? "",
    status: 200,
    changes: [{ field: "address", from: await hashed(present), to: await hashed(email) }],
  };
  return insertAuditIf(env.DB, entry, store.whileOpen(tokenHash, now));
}

/** A suspended user confirms nothing. The link works again once the suspension ends. */
async function requestOfToken(
  env: ApiEnv,
  token: string,
  now: number,
): Promise<Result<Found, Failure>> {
  const tokenHash = await sha256Hex(token);
  const found = await readDatabase(env, () => store.findAddressRequest(env.DB, tokenHash, now));
  if (!found.ok) return found;
  if (found.value === null) return fail({ tag: "not-found", what: "link" });
  const { suspended, confirmed } = found.value;
  return suspended && !confirmed
    ? fail({ tag: "account-suspended" })
    : ok({ ...found.value, tokenHash });
}

async function confirmedPage(env: ApiEnv): Promise<Result<Response, never>> {
  return await formPage(
    "Your address is confirmed",
    "<p>Emails about your account come to this address.</p>",
    brandOf(env),
  );
}

import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import { unsubscribeSettings } from "../../shared/email/settings.ts";
import { recipientOf, saveSuppression } from "../../shared/email/sql/suppressions.ts";
import { emailOfToken } from "../../shared/email/unsubscribe.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";
import { formPage } from "./page.ts";
import { hasRoom, tooMany } from "./rate-limits.ts";
import { logMisconfigured } from "./settings.ts";

const noSuchLink: Failure = { tag: "not-found", what: "link" };

/** Asks first: scanners and previews follow links and must not unsubscribe a person. */
export const askToUnsubscribe: Handler<"askToUnsubscribe"> = async ({ params, env }) => {
  const recipient = await recipientOfToken(env, params.token);
  if (!recipient.ok) return recipient;
  return formPage(
    "Unsubscribe",
    `<p>You will get no more notifications and no more news at this address.
Emails about your account, such as receipts, still come.</p>
<form method="post"><button>Unsubscribe</button></form>`,
    brandOf(env),
  );
};

/** One click (RFC 8058), by a person or by their email client. Idempotent. */
export const unsubscribe: Handler<"unsubscribe"> = async ({ params, env, now }) => {
  const recipient = await recipientOfToken(env, params.token);
  if (!recipient.ok) return recipient;
  const write = async (): Promise<true> => {
    await saveSuppression(env.DB, {
      address: recipient.value,
      scope: "non-transactional",
      reason: "unsubscribe",
      note: null,
      createdAt: now,
    });
    return true;
  };
  const written = await writeDatabase(write, write);
  if (!written.ok) return written;
  return formPage(
    "You are unsubscribed",
    "<p>You will get no more notifications and no more news at this address.</p>",
    brandOf(env),
  );
};

async function recipientOfToken(env: ApiEnv, token: string): Promise<Result<string, Failure>> {
  const settings = unsubscribeSettings(env);
  if (!settings.ok) {
    if ((env.UNSUBSCRIBE_SECRET ?? "") !== "") logMisconfigured("unsubscribe", settings.error);
    return fail(noSuchLink);
  }
  const emailId = await emailOfToken(settings.value.secret, token);
  if (emailId === null) return fail(noSuchLink);
  if (!(await hasRoom(env.RATE_LIMIT_KEY, `unsubscribe:${emailId}`))) return tooMany;
  const recipient = await readDatabase(env, () => recipientOf(env.DB, emailId));
  if (!recipient.ok) return recipient;
  return recipient.value === null ? fail(noSuchLink) : ok(recipient.value);
}

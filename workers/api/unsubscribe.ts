import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { unsubscribeSettings } from "../../shared/email/settings.ts";
import { recipientOf, saveSuppression } from "../../shared/email/sql/suppressions.ts";
import { emailOfToken } from "../../shared/email/unsubscribe.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";
import { pageResponse } from "./page.ts";

const noSuchLink: Failure = { tag: "not-found", what: "link" };

/** Asks first: scanners and previews follow links and must not unsubscribe anybody. */
export const askToUnsubscribe: Handler<"askToUnsubscribe"> = async ({ params, env }) => {
  const recipient = await recipientOfToken(env, params.token);
  if (!recipient.ok) return recipient;
  return page(
    "Unsubscribe",
    `<p>You will get no more notifications and no more news at this address.
Emails about your account, such as receipts, still come.</p>
<form method="post"><button>Unsubscribe</button></form>`,
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
  return page(
    "You are unsubscribed",
    "<p>You will get no more notifications and no more news at this address.</p>",
  );
};

async function recipientOfToken(env: ApiEnv, token: string): Promise<Result<string, Failure>> {
  const settings = unsubscribeSettings(env);
  if (!settings.ok) return settings;
  const emailId = await emailOfToken(settings.value.secret, token);
  if (emailId === null) return fail(noSuchLink);
  const recipient = await readDatabase(env, () => recipientOf(env.DB, emailId));
  if (!recipient.ok) return recipient;
  return recipient.value === null ? fail(noSuchLink) : ok(recipient.value);
}

const STYLE = `body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f4f4f7;color:#1c1c28}
main{max-width:28rem;margin:10vh auto;padding:2rem;background:#fff;border-radius:12px}
h1{margin:0 0 1rem;font-size:1.5rem}
button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:8px}
button{background:#4b3fce;color:#fff;cursor:pointer}
@media (prefers-color-scheme:dark){body{background:#14141c;color:#ececf4}}
@media (prefers-color-scheme:dark){main{background:#1f1f2b}}`;

async function page(title: string, body: string): Promise<Result<Response, never>> {
  return await pageResponse(
    { title, style: STYLE, body: `<main><h1>${title}</h1>${body}</main>` },
    { "Cache-Control": "no-store" },
  );
}

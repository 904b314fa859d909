import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import type { SuppressionScope } from "../../shared/email/rules/suppressions.ts";
import { unsubscribeSettings } from "../../shared/email/settings.ts";
import {
  insertSuppressions,
  recipientOf,
  resubscribe,
  unsubscribedFrom,
  type Unsubscriber,
} from "../../shared/email/sql/suppressions.ts";
import { emailOfToken } from "../../shared/email/unsubscribe.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";
import { readChoice } from "./form.ts";
import { formPage } from "./page.ts";
import { hasRoom, tooMany } from "./rate-limits.ts";
import { logMisconfigured } from "./settings.ts";
import { resubscribedPage, unsubscribePage } from "./unsubscribe-page.ts";

const noSuchLink: Failure = { tag: "not-found", what: "link" };

/** Asks first: scanners and previews follow links and must not unsubscribe a person. */
export const askToUnsubscribe: Handler<"askToUnsubscribe"> = async ({ params, env }) => {
  const recipient = await recipientOfToken(env, params.token);
  if (!recipient.ok) return recipient;
  const { address, category } = recipient.value;
  const stopped = await readDatabase(env, () => unsubscribedFrom(env.DB, address));
  if (!stopped.ok) return stopped;
  return await formPage(...unsubscribePage(category, stopped.value), brandOf(env));
};

/**
 * One click (RFC 8058), by a person or by their email client, or a choice of the form of the page.
 * Idempotent.
 */
export const unsubscribe: Handler<"unsubscribe"> = async ({ request, params, env, now }) => {
  const recipient = await recipientOfToken(env, params.token);
  if (!recipient.ok) return recipient;
  const { address, category } = recipient.value;
  const asked = await askedFor(request);
  const write = async (): Promise<SuppressionScope[]> => {
    if (asked === "resubscribe") {
      await resubscribe(env.DB, address);
      return [];
    }
    const scope =
      asked === "category" && category !== "transactional" ? category : "non-transactional";
    const suppression = {
      address,
      tenant: null,
      scope,
      reason: "unsubscribe",
      note: null,
    } as const;
    await insertSuppressions(env.DB, [{ ...suppression, createdAt: now }]);
    return [scope];
  };
  const written = await writeDatabase(write, write);
  if (!written.ok) return written;
  const page =
    asked === "resubscribe" ? resubscribedPage : unsubscribePage(category, written.value);
  return await formPage(...page, brandOf(env));
};

/** What is not a form of the page counts as one click, so that no opt-out is lost. */
async function askedFor(request: Request): Promise<"category" | "resubscribe" | "all"> {
  const choice = await readChoice(request);
  return choice === "category" || choice === "resubscribe" ? choice : "all";
}

async function recipientOfToken(
  env: ApiEnv,
  token: string,
): Promise<Result<Unsubscriber, Failure>> {
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

import { isSent } from "../email/automatic-emails.ts";
import { brandOf } from "../email/brand.ts";
import { newEmail, notify, type Outbox } from "../email/outbox.ts";
import { sender, type EmailVariables } from "../email/settings.ts";
import type { EmailSource } from "../email/sql/accept.ts";
import { SYSTEM_TENANT } from "../email/system-emails.ts";
import { accountDeleted } from "../email/templates/account-deleted.ts";
import { addressChanged } from "../email/templates/address-changed.ts";
import { apiKeyCreated } from "../email/templates/api-key-created.ts";
import { apiKeyRevoked } from "../email/templates/api-key-revoked.ts";
import { apiKeyRotated } from "../email/templates/api-key-rotated.ts";
import { renderTemplate, type RenderedEmail } from "../email/templates/render.ts";
import { log } from "../lib/worker/log.ts";

/**
 * Emails about the security of an account. They are accepted in the batch of the write that they
 * are about, and only if it takes place.
 */
export type AccountNotice = ReturnType<typeof newEmail>;

/** The statements of a notice; none if there is none. */
export const statementsOf = (notice: AccountNotice | null): D1PreparedStatement[] =>
  notice?.statements ?? [];

const templates = {
  "account-deleted": accountDeleted,
  "address-changed": addressChanged,
  "api-key-created": apiKeyCreated,
  "api-key-revoked": apiKeyRevoked,
  "api-key-rotated": apiKeyRotated,
};
type NoticeName = keyof typeof templates;

/** A notice about a user's account under the brand; null if it is switched off. */
export function renderedNotice(
  env: EmailVariables,
  name: NoticeName,
  userId: string,
): RenderedEmail | null {
  return isSent(env, name) ? renderTemplate(templates[name], { userId }, brandOf(env)) : null;
}

export function newNotice(
  db: D1Database,
  { from, source, now }: { from: string; source: EmailSource; now: number },
  email: RenderedEmail,
): AccountNotice {
  // A second copy does less harm than none.
  const message = { tenant: SYSTEM_TENANT, from, to: "", onUnknown: "resend" as const, ...email };
  return newEmail(db, message, now, source);
}

/**
 * A notice to the address that the account has before the write, for the batch of the write and
 * before its other statements. Null if it is switched off, or if no sender is configured: keys must
 * be revocable without one.
 *
 * @param condition SQL over the row of `users` that the write requires, too, with its `values` from
 *   `$2` on
 */
export function noticeToAccount(
  { db, env, now }: { db: D1Database; env: EmailVariables; now: number },
  userId: string,
  name: NoticeName,
  { condition, values }: { condition: string; values: (string | null)[] } = {
    condition: "TRUE",
    values: [],
  },
): AccountNotice | null {
  const email = renderedNotice(env, name, userId);
  if (email === null) return null;
  const from = sender(env);
  if (!from.ok) {
    const { variable, message } = from.error;
    log("error", "account_notice.misconfigured", { variable, problem: message });
    return null;
  }
  const source = {
    to: "email",
    from: `users WHERE user_id = $1 AND deleted_at IS NULL AND ${condition}`,
    values: [userId, ...values],
  };
  return newNotice(db, { from: from.value, source, now }, email);
}

/** Notifies the consumer of notices that were accepted. */
export async function sendNotices(
  outbox: Outbox,
  notices: readonly (AccountNotice | null)[],
  now: number,
): Promise<void> {
  const accepted = notices.filter((notice) => notice !== null);
  for (const notice of accepted) notice.accepted();
  await notify(
    outbox,
    accepted.map(({ id }) => ({ id, generation: 1, dueAt: now })),
    now,
  );
}

import { isSent } from "../email/automatic-emails.ts";
import { brandOf } from "../email/brand.ts";
import { notify } from "../email/notify.ts";
import { newEmail, SYSTEM_TENANT, type Outbox } from "../email/outbox.ts";
import { sender, type EmailVariables } from "../email/settings.ts";
import type { EmailSource } from "../email/sql/accept.ts";
import { automaticEmail, type NamedEmail, type ReadTemplates } from "../email/templates/named.ts";
import { log } from "../lib/worker/log.ts";

/**
 * Emails about the security of an account. They are accepted in the batch of the write that they
 * are about, and only if it takes place.
 */
export type AccountNotice = ReturnType<typeof newEmail>;

type NoticePorts = {
  db: D1Database;
  env: EmailVariables;
  readTemplates: ReadTemplates;
  now: number;
};

/** The statements of a notice; none if there is none. */
export const statementsOf = (notice: AccountNotice | null): D1PreparedStatement[] =>
  notice?.statements ?? [];

type NoticeName =
  | "account-deleted"
  | "address-changed"
  | "api-key-created"
  | "api-key-revoked"
  | "api-key-rotated";

/** A notice about a user's account under the brand; null if it is switched off. */
export async function renderedNotice(
  { env, readTemplates }: { env: EmailVariables; readTemplates: ReadTemplates },
  name: NoticeName,
  userId: string,
): Promise<NamedEmail | null> {
  if (!isSent(env, name)) return null;
  return (await automaticEmail(readTemplates, name, brandOf(env)))({ userId });
}

export function newNotice(
  db: D1Database,
  { from, source, now }: { from: string; source: EmailSource; now: number },
  email: NamedEmail,
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
export async function noticeToAccount(
  { db, env, readTemplates, now }: NoticePorts,
  userId: string,
  name: NoticeName,
  { condition, values }: { condition: string; values: (string | null)[] } = {
    condition: "TRUE",
    values: [],
  },
): Promise<AccountNotice | null> {
  const email = await renderedNotice({ env, readTemplates }, name, userId);
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

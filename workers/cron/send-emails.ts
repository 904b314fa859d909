import {
  sendSystemEmails,
  throwIfRefused,
  type SystemEmail,
} from "../../shared/email/system-emails.ts";
import type { CronEnv } from "../env.ts";

type EmailsOf<Item> = {
  emailOf: (item: Item) => SystemEmail;
  mark: (items: Item[]) => Promise<void>;
};

/**
 * Sends one email per item and marks the items whose email was accepted or is suppressed. The
 * others are left to the next run. If the process dies before an item is marked, the idempotency
 * key prevents a second email for a day.
 *
 * @throws Error if an email was refused, after the others were sent and marked
 */
export async function sendAndMark<Item>(
  env: CronEnv,
  items: Item[],
  { emailOf, mark }: EmailsOf<Item>,
): Promise<{ marked: number; left: number }> {
  const emails = items.map(emailOf);
  const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
  const sent = await sendSystemEmails(outbox, env, emails, Date.now());
  const settled = new Set([...sent.accepted, ...sent.suppressed]);
  const marked = items.filter((_, n) => settled.has(emails[n]?.key ?? ""));
  await mark(marked);
  throwIfRefused(sent);
  return { marked: marked.length, left: items.length - marked.length };
}

import type { Outbox } from "../email/outbox.ts";
import type { EmailVariables } from "../email/settings.ts";
import { sendSystemEmails, throwIfRefused } from "../email/system-emails.ts";

/** An email to `ALERT_EMAIL`. `key`: the same key is sent once within a day. */
export type OperatorEmail = { key: string; to: string; subject: string; text: string };

/**
 * Puts an email to the operator into Luna's own outbox.
 *
 * @throws Error if it was refused, is suppressed or was not accepted
 */
export async function sendToOperator(
  outbox: Outbox,
  env: EmailVariables,
  { key, ...email }: OperatorEmail,
  now: number,
): Promise<void> {
  const sent = await sendSystemEmails(outbox, env, [{ key, email }], now);
  throwIfRefused(sent.refused);
  if (sent.suppressed.length > 0) throw new Error("the address of ALERT_EMAIL is suppressed");
  if (sent.accepted.length === 0) throw new Error("the email was not accepted");
}

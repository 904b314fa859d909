import { digestText } from "../../../shared/alerts/rules/digest-text.ts";
import { alertSettings } from "../../../shared/alerts/settings.ts";
import { readDay } from "../../../shared/alerts/sql/digest.ts";
import { breakerDays } from "../../../shared/dependencies/breaker-days.ts";
import { sendSystemEmails, throwIfRefused } from "../../../shared/email/system-emails.ts";
import { dateText, dayOf } from "../date-text.ts";
import type { CronTask } from "../task.ts";

const DAY_MS = 86_400_000;

/**
 * Sends `ALERT_EMAIL` each morning what happened the day before. What could not be sent at seven is
 * sent at eight or nine.
 */
export const sendDigest: CronTask = {
  name: "send-digest",
  cron: "0 7-9 * * *",
  timeoutMs: 60_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: env }) {
    const { email } = alertSettings(env);
    if (email === null) return { sent: 0 };
    const now = Date.now();
    const until = now - (now % DAY_MS);
    const from = until - DAY_MS;
    const [facts, breakers] = await Promise.all([
      readDay(env.DB, from, until, now),
      breakerDays(env, from, until),
    ]);
    const mail = { to: email, ...digestText(dateText.format(from), facts, breakers) };
    const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
    const key = `digest:${dayOf(from)}`;
    const sent = await sendSystemEmails(outbox, env, [{ key, email: mail }], now);
    throwIfRefused(sent);
    if (sent.accepted.length === 0)
      throw new Error(
        sent.suppressed.length > 0
          ? "the address of ALERT_EMAIL is suppressed"
          : "the email was not accepted",
      );
    return { sent: 1 };
  },
};

import { sendToOperator } from "../../../shared/alerts/operator-email.ts";
import { digestText } from "../../../shared/alerts/rules/digest-text.ts";
import { alertSettings } from "../../../shared/alerts/settings.ts";
import { readDay } from "../../../shared/alerts/sql/digest.ts";
import { breakerDays } from "../../../shared/dependencies/breaker-days.ts";
import { isSent } from "../../../shared/email/automatic-emails.ts";
import { brandOf } from "../../../shared/email/brand.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { dateText, dayOf } from "../dates.ts";
import type { CronTask } from "../task.ts";

/**
 * Sends the digest of the day before to `ALERT_EMAIL` at seven, or at eight or nine if that failed.
 */
export const sendDigest: CronTask = {
  name: "send-digest",
  cron: "0 7-9 * * *",
  timeoutMs: 60_000,
  graceMs: 1_800_000,
  overlap: "skip",
  mayPause: true,
  async run({ context: env }) {
    const { email } = alertSettings(env);
    if (email === null || !isSent(env, "digest")) return { sent: 0 };
    const brand = brandOf(env);
    const now = Date.now();
    const until = now - (now % DAY_MS);
    const from = until - DAY_MS;
    const [facts, breakers] = await Promise.all([
      readDay(env.DB, from, until, now),
      breakerDays(env, from, until),
    ]);
    const digest = digestText(
      { product: brand.name, day: dateText(brand).format(from) },
      facts,
      breakers,
    );
    await sendToOperator(
      { db: env.DB, queue: env.EMAIL_QUEUE },
      env,
      { key: `digest:${dayOf(from)}`, to: email, ...digest },
      now,
    );
    return { sent: 1 };
  },
};

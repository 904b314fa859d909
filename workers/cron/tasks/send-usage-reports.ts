import { markReported, unreportedUsage } from "../../../shared/accounts/sql/usage-reports.ts";
import { sendSystemEmails, throwIfRefused } from "../../../shared/email/system-emails.ts";
import { dateText, dayOf } from "../date-text.ts";
import type { CronTask } from "../task.ts";

const DAY_MS = 86_400_000;
/** Mails of one run: the next run of that Monday sends the rest. */
const LIMIT = 200;

const numberOf = new Intl.NumberFormat("en-GB");

/** Sends each user once what they used in the week that has ended on Sunday. */
export const sendUsageReports: CronTask = {
  name: "send-usage-reports",
  cron: "*/5 8-23 * * 1",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: env }) {
    const now = Date.now();
    const sinceMonday = (new Date(now).getUTCDay() + 6) % 7;
    const monday = now - (sinceMonday + 7) * DAY_MS;
    const sunday = monday + 6 * DAY_MS;
    const users = await unreportedUsage(env.DB, dayOf(monday), dayOf(sunday), LIMIT);
    const keyOf = (userId: string): string => `usage-report:${userId}:${dayOf(monday)}`;
    const mails = users.map(({ userId, email, metrics }) => ({
      key: keyOf(userId),
      email: {
        to: email,
        template: "usage-report",
        category: "notification",
        data: {
          userId,
          period: `${dateText.format(monday)} to ${dateText.format(sunday)}`,
          metrics: metrics.map(({ name, amount }) => ({ name, amount: numberOf.format(amount) })),
        },
      },
    }));
    const sent = await sendSystemEmails({ db: env.DB, queue: env.EMAIL_QUEUE }, env, mails, now);
    const settled = new Set([...sent.accepted, ...sent.suppressed]);
    const reported = users
      .map(({ userId }) => userId)
      .filter((userId) => settled.has(keyOf(userId)));
    await markReported(env.DB, dayOf(monday), reported);
    throwIfRefused(sent);
    return { sent: reported.length, left: users.length - reported.length };
  },
};

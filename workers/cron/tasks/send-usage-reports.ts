import {
  markReported,
  unreportedUsage,
  type WeeklyUsage,
} from "../../../shared/accounts/sql/usage-reports.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { dateText, dayOf } from "../dates.ts";
import { sendAndMark } from "../send-emails.ts";
import type { CronTask } from "../task.ts";

/** Emails per run; the next run of that Monday sends the rest. */
const LIMIT = 200;

const numberOf = new Intl.NumberFormat("en-GB");

/** Sends each user one report of their usage in the week that ended on Sunday. */
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
    const week = dayOf(monday);
    const period = `${dateText.format(monday)} to ${dateText.format(sunday)}`;
    const users = await unreportedUsage(env.DB, week, dayOf(sunday), LIMIT);
    const { marked, left } = await sendAndMark(env, users, {
      emailOf: (user) => ({
        key: `usage-report:${user.userId}:${week}`,
        email: reportEmail(user, period),
      }),
      mark: async (reported) => {
        const userIds = reported.map(({ userId }) => userId);
        await markReported(env.DB, week, userIds);
      },
    });
    return { sent: marked, left };
  },
};

function reportEmail({ userId, email, metrics }: WeeklyUsage, period: string): object {
  const amounts = metrics.map(({ name, amount }) => ({ name, amount: numberOf.format(amount) }));
  return {
    to: email,
    template: "usage-report",
    category: "notification",
    data: { userId, period, metrics: amounts },
  };
}

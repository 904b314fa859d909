import {
  countUnreported,
  hasUserBefore,
  markReported,
  unreportedUsage,
  type WeeklyUsage,
} from "../../../shared/accounts/sql/usage-reports.ts";
import { isDayRolledUp } from "../../../shared/accounts/sql/usage-roll-up.ts";
import { isSent } from "../../../shared/email/automatic-emails.ts";
import { brandOf } from "../../../shared/email/brand.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { nextSlot } from "../../../shared/schedule/rules/due.ts";
import { readCursor, saveCursor } from "../../../shared/schedule/sql/cursors.ts";
import { dateText, dayOf, amountFormat } from "../dates.ts";
import { sendPages } from "../send-emails.ts";
import type { CronTask } from "../task.ts";

/** The walk through the users, a week at a time. */
const WALK = "usage-reports";

const CRON = "*/5 8-23 * * 1";

/**
 * Sends each user one report of their usage in the week that ended on Sunday. It fails until that
 * Sunday is rolled up: a report is sent once, and must have the whole week. `late`: users whose
 * report no later run of that Monday sends.
 */
export const sendUsageReports: CronTask = {
  name: "send-usage-reports",
  cron: CRON,
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  mayPause: true,
  async run({ context: env, signal }) {
    if (!isSent(env, "usage-report")) return { sent: 0, left: 0, late: 0 };
    const brand = brandOf(env);
    const now = Date.now();
    const sinceMonday = (new Date(now).getUTCDay() + 6) % 7;
    const monday = now - (sinceMonday + 7) * DAY_MS;
    const sunday = monday + 6 * DAY_MS;
    const week = dayOf(monday);
    if (!(await isDayRolledUp(env.DB, dayOf(sunday)))) {
      // A new installation has no week to report, and none that was rolled up.
      const endOfSunday = sunday - (sunday % DAY_MS) + DAY_MS;
      if (!(await hasUserBefore(env.DB, endOfSunday))) return { sent: 0, left: 0, late: 0 };
      throw new Error(
        `the usage of ${dayOf(sunday)} is not rolled up yet: run roll-up-usage before this`,
      );
    }
    const { id: begin, finished: isDone } = await readCursor(env.DB, WALK, week);
    if (isDone) return { sent: 0, left: 0, late: 0 };
    const period = dateText(brand).formatRange(monday, sunday);
    const amountText = amountFormat(brand);
    const days = { monday: week, sunday: dayOf(sunday) };
    const { marked, left } = await sendPages<WeeklyUsage>(env, {
      read: (after, limit) => unreportedUsage(env.DB, days, after?.userId ?? begin, limit),
      countAfter: (after, limit) => countUnreported(env.DB, days, after?.userId ?? begin, limit),
      passed: (last, finished) =>
        saveCursor(env.DB, WALK, week, { id: last?.userId ?? begin, finished }),
      signal,
      emailOf: (user) => ({
        key: `usage-report:${user.userId}:${week}`,
        email: reportEmail(user, period, amountText),
      }),
      mark: async (reported) => {
        const userIds = reported.map(({ userId }) => userId);
        await markReported(env.DB, week, userIds);
      },
    });
    const isLastRun = nextSlot(CRON, now) - now > DAY_MS;
    return { sent: marked, left, late: isLastRun ? left : 0 };
  },
};

function reportEmail(
  { userId, email, metrics }: WeeklyUsage,
  period: string,
  amountText: Intl.NumberFormat,
): object {
  const amounts = metrics.map(({ name, amount }) => ({ name, amount: amountText.format(amount) }));
  return {
    to: email,
    template: "usage-report",
    category: "notification",
    data: { userId, period, metrics: amounts },
  };
}

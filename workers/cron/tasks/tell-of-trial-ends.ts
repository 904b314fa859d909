import { noticeAheadMs } from "../../../shared/accounts/rules/trials.ts";
import { trialDays } from "../../../shared/accounts/settings.ts";
import {
  countUnnotified,
  markNotified,
  unnotifiedTrials,
  type EndingTrial,
} from "../../../shared/accounts/sql/trials.ts";
import { isSent } from "../../../shared/email/automatic-emails.ts";
import { brandOf } from "../../../shared/email/brand.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { nextSlot } from "../../../shared/schedule/rules/due.ts";
import { dateText } from "../dates.ts";
import { sendPages } from "../send-emails.ts";
import type { CronTask } from "../task.ts";

const CRON = "10 * * * *";

/**
 * Notifies each user once that their trial ends: three days before, but in its second half. `late`:
 * trials that end before the next run. The task's name was released: it is the key of its row in
 * D1.
 */
export const notifyOfTrialEnds: CronTask = {
  name: "tell-of-trial-ends",
  cron: CRON,
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  mayPause: true,
  async run({ context: env, signal }) {
    if (!isSent(env, "trial-expiry")) return { notified: 0, left: 0, late: 0 };
    const now = Date.now();
    const ending = { from: now, until: now + noticeAheadMs(trialDays(env)) };
    const beforeNextRun = { from: now, until: nextSlot(CRON, now) };
    const { marked, left } = await sendPages<EndingTrial>(env, {
      read: (after, limit) => unnotifiedTrials(env.DB, ending, after, limit),
      countAfter: (after, limit) => countUnnotified(env.DB, ending, after, limit),
      signal,
      emailOf: ({ userId, email, trialEndsAt }) => ({
        key: `trial-expiry:${userId}:${trialEndsAt}`,
        email: {
          to: email,
          template: "trial-expiry",
          data: {
            userId,
            trialEndsOn: dateText(brandOf(env)).format(trialEndsAt),
            daysLeft: Math.ceil((trialEndsAt - now) / DAY_MS),
          },
        },
      }),
      mark: (notified) => markNotified(env.DB, notified),
    });
    const late = left === 0 ? 0 : await countUnnotified(env.DB, beforeNextRun, null, left);
    return { notified: marked, left, late };
  },
};

import { markNotified, unnotifiedTrials } from "../../../shared/accounts/sql/trials.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { dateText } from "../dates.ts";
import { sendAndMark } from "../send-emails.ts";
import type { CronTask } from "../task.ts";

/** How long before the end of the trial the email is sent. */
const AHEAD_MS = 3 * DAY_MS;
/** Emails per run; the next hour's run sends the rest. */
const LIMIT = 200;

/**
 * Notifies each user once that their trial ends, three days before. The task's name was released:
 * it is the key of its row in D1.
 */
export const notifyOfTrialEnds: CronTask = {
  name: "tell-of-trial-ends",
  cron: "10 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: env }) {
    const now = Date.now();
    const trials = await unnotifiedTrials(env.DB, now, now + AHEAD_MS, LIMIT);
    const { marked, left } = await sendAndMark(env, trials, {
      emailOf: ({ userId, email, trialEndsAt }) => ({
        key: `trial-expiry:${userId}:${trialEndsAt}`,
        email: {
          to: email,
          template: "trial-expiry",
          data: {
            userId,
            trialEndsOn: dateText.format(trialEndsAt),
            daysLeft: Math.ceil((trialEndsAt - now) / DAY_MS),
          },
        },
      }),
      mark: (notified) => markNotified(env.DB, notified),
    });
    return { notified: marked, left };
  },
};

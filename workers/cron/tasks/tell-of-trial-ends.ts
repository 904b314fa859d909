import { markTold, untoldTrials } from "../../../shared/accounts/sql/trials.ts";
import { sendSystemEmails, throwIfRefused } from "../../../shared/email/system-emails.ts";
import { dateText } from "../date-text.ts";
import type { CronTask } from "../task.ts";

const DAY_MS = 86_400_000;
/** How long before its end a user is told. */
const AHEAD_MS = 3 * DAY_MS;
/** Mails of one run: the next hour's run tells the rest. */
const LIMIT = 200;

/** Tells each user once that their trial ends, three days before. */
export const tellOfTrialEnds: CronTask = {
  name: "tell-of-trial-ends",
  cron: "10 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: env }) {
    const now = Date.now();
    const trials = await untoldTrials(env.DB, now, now + AHEAD_MS, LIMIT);
    const keyOf = ({ userId, trialEndsAt }: (typeof trials)[number]): string =>
      `trial-expiry:${userId}:${trialEndsAt}`;
    const mails = trials.map((trial) => ({
      key: keyOf(trial),
      email: {
        to: trial.email,
        template: "trial-expiry",
        data: {
          userId: trial.userId,
          trialEndsOn: dateText.format(trial.trialEndsAt),
          daysLeft: Math.ceil((trial.trialEndsAt - now) / DAY_MS),
        },
      },
    }));
    const sent = await sendSystemEmails({ db: env.DB, queue: env.EMAIL_QUEUE }, env, mails, now);
    const settled = new Set([...sent.accepted, ...sent.suppressed]);
    // Within a day the key keeps an email from leaving twice, if the process dies before this.
    await markTold(
      env.DB,
      trials.filter((trial) => settled.has(keyOf(trial))),
    );
    throwIfRefused(sent);
    return { told: settled.size, left: trials.length - settled.size };
  },
};

import { checkDomains } from "../../../shared/email/sender-checks.ts";
import { dnsResolver } from "../../../shared/email/settings.ts";
import { countToCheck } from "../../../shared/email/sql/sender-checks.ts";
import type { CronTask } from "../task.ts";

/** A page takes 50 s at most, if the DNS does not answer. */
const PAGE = 60;
const MAX_PAGES = 5;

/** Checks each day whether the DNS still has the records of verified domains: of 7,200 at most. */
export const checkSenders: CronTask = {
  name: "check-senders",
  cron: "35 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: env, signal }) {
    const resolver = dnsResolver(env);
    if (!resolver.ok) throw new Error(`${resolver.error.variable} ${resolver.error.message}`);
    const now = Date.now();
    const outbox = { db: env.DB, queue: env.EMAIL_QUEUE };
    const shared = { outbox, env, resolver: resolver.value, now };
    const done = { checked: 0, unverified: 0 };
    for (let pages = 0; pages < MAX_PAGES && !signal.aborted; pages += 1) {
      const page = await checkDomains(shared, PAGE);
      done.checked += page.checked;
      done.unverified += page.unverified;
      if (page.checked < PAGE) break;
    }
    const left = await countToCheck(env.DB, now, 10_000);
    return { ...done, left, late: 0 };
  },
};

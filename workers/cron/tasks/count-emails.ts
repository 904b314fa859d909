import {
  afterPage,
  beginCount,
  countChanges,
  daysToCount,
  rowsOf,
  type CountedEmail,
  type CountProgress,
} from "../../../shared/email/rules/counts.ts";
import {
  ALL_TENANTS,
  emailsOfTenant,
  emailsOfTenants,
  knownDays,
  readProgress,
  saveCounts,
  storedCounts,
  tenantsAfter,
} from "../../../shared/email/sql/email-counts.ts";
import type { CronTask } from "../task.ts";

/** Emails per statement. */
const PAGE = 2_000;
/** Tenants that a statement looks at. */
const TENANTS = 500;
/** Pages per run; the next run continues. Together 14 million emails per day. */
const MAX_PAGES = 50;

/**
 * Counts the emails of each day by tag, sender and transport, by what has become of them: today's
 * every two hours, and those of a day that is over at its end and 1, 3 and 7 days later. Only what
 * has changed is written. A run continues where the last one stopped or crashed.
 *
 * `left`: days that wait for the next run.
 */
export const countEmailsByDay: CronTask = {
  name: "count-emails",
  cron: "8-59/10 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    const days = daysToCount(await knownDays(DB, now), now);
    let emails = 0;
    let pages = 0;
    let counted = 0;
    for (const day of days) {
      let progress: CountProgress | null = (await readProgress(DB, day)) ?? beginCount(now);
      while (progress !== null && pages < MAX_PAGES && !signal.aborted) {
        const page = await countPage(DB, day, progress);
        pages += 1;
        emails += page.emails;
        progress = page.progress;
      }
      if (progress !== null) break;
      counted += 1;
    }
    return { emails, days: counted, left: days.length - counted, late: 0 };
  },
};

/** Counts the next page of a day. @returns null as its progress once the day is counted */
async function countPage(
  db: D1Database,
  day: string,
  before: CountProgress,
): Promise<{ emails: number; progress: CountProgress | null }> {
  const { emails, last, isEnd } = await nextEmails(db, day, before);
  const { progress, counted } = afterPage(before, emails, last);
  const total = { tenant: ALL_TENANTS, tally: progress.all };
  const complete = isEnd ? [...counted, total] : counted;
  const names = complete.map(({ tenant }) => tenant);
  const stored = names.length === 0 ? [] : await storedCounts(db, names, day);
  const rows = complete.flatMap(({ tenant, tally }) => rowsOf(tenant, tally));
  const come = isEnd
    ? { progress: null, countedAt: progress.beganAt }
    : { progress, countedAt: null };
  await saveCounts(db, day, countChanges(stored, rows), come);
  return { emails: emails.length, progress: come.progress };
}

/** `last`: the tenant up to which all emails are there. `isEnd`: no tenant follows. */
type NextEmails = { emails: CountedEmail[]; last: string | null; isEnd: boolean };

async function nextEmails(
  db: D1Database,
  day: string,
  { tenant, after }: CountProgress,
): Promise<NextEmails> {
  if (after !== null) {
    const emails = await emailsOfTenant(db, { tenant, after }, day, PAGE);
    return { emails, last: emails.length < PAGE ? tenant : null, isEnd: false };
  }
  const tenants = await tenantsAfter(db, tenant, day, TENANTS);
  const active = tenants.filter(({ isActive }) => isActive).map((one) => one.tenant);
  const emails = active.length === 0 ? [] : await emailsOfTenants(db, active, day, PAGE);
  const isWhole = emails.length < PAGE;
  return {
    emails,
    last: isWhole ? (tenants.at(-1)?.tenant ?? tenant) : null,
    isEnd: isWhole && tenants.length < TENANTS,
  };
}

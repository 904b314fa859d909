import {
  deleteDayProgress,
  monthToRollUp,
  rollUpDay,
  rollUpMonth,
} from "../../../shared/accounts/sql/usage-roll-up.ts";
import { dayOf } from "../date-text.ts";
import type { CronTask } from "../task.ts";

const DAY_MS = 86_400_000;
/** Counters of one statement: more would hold up other writes. */
const PAGE = 1_000;
/** Pages of one run: the next run goes on. */
const MAX_PAGES = 20;
/** Days are kept for a little over a year; months for good. */
const KEPT_MS = 400 * DAY_MS;

/**
 * Rolls up the day that has just ended, and each month whose days are all rolled up. What a run
 * does not get to, or a crash leaves, the next one does; what no run of the night gets to counts
 * for the day after.
 */
export const rollUpUsage: CronTask = {
  name: "roll-up-usage",
  cron: "5-59/5 0-5 * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    const [day, keptFrom] = [dayOf(now - DAY_MS), dayOf(now - KEPT_MS)];
    let [rolledUp, inMonths, pages] = [0, 0, 0];
    const mayGoOn = (): boolean => pages < MAX_PAGES && !signal.aborted;
    for (let left = true; left && mayGoOn(); pages += 1) {
      const page = await rollUpDay(DB, day, keptFrom, PAGE);
      rolledUp += page.rolledUp;
      left = page.left;
    }
    for (; mayGoOn(); pages += 1) {
      const month = await monthToRollUp(DB);
      // The month of that day still gets days: all before it are complete.
      if (month === null || month >= day.slice(0, 7)) break;
      inMonths += (await rollUpMonth(DB, month, PAGE)).rolledUp;
    }
    await deleteDayProgress(DB, keptFrom);
    return { rolledUp, inMonths };
  },
};

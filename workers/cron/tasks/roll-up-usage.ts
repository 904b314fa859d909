import {
  deleteDayProgress,
  monthToRollUp,
  rollUpDay,
  rollUpMonth,
} from "../../../shared/accounts/sql/usage-roll-up.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { dayOf } from "../dates.ts";
import type { CronTask } from "../task.ts";

/** Counters per statement: more would block other writes for too long. */
const PAGE = 1_000;
/** Pages per run; the next run continues. */
const MAX_PAGES = 20;
/** How long days are kept. Months are never deleted. */
const KEPT_MS = 400 * DAY_MS;

/**
 * Rolls up the day that has just ended, and each month whose days are all rolled up. A run
 * continues where the last one stopped or crashed. Usage that no run of the night reaches counts
 * for the next day.
 */
export const rollUpUsage: CronTask = {
  name: "roll-up-usage",
  cron: "5-59/5 0-5 * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    const day = dayOf(now - DAY_MS);
    const keptFrom = dayOf(now - KEPT_MS);
    let rolledUp = 0;
    let inMonths = 0;
    let pages = 0;
    const mayGoOn = (): boolean => pages < MAX_PAGES && !signal.aborted;
    for (let left = true; left && mayGoOn(); pages += 1) {
      const page = await rollUpDay(DB, day, keptFrom, PAGE);
      rolledUp += page.rolledUp;
      left = page.left;
    }
    for (; mayGoOn(); pages += 1) {
      const month = await monthToRollUp(DB);
      // The month of that day is not complete yet. All months before it are.
      if (month === null || month >= day.slice(0, 7)) break;
      inMonths += (await rollUpMonth(DB, month, PAGE)).rolledUp;
    }
    await deleteDayProgress(DB, keptFrom);
    return { rolledUp, inMonths };
  },
};

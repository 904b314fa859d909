import {
  countUnrolled,
  deleteDayProgress,
  monthToRollUp,
  rollUpDay,
  rollUpMonth,
} from "../../../shared/accounts/sql/usage-roll-up.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { MAX_COUNTED } from "../../../shared/schedule/drain-in-batches.ts";
import { nextSlot } from "../../../shared/schedule/rules/due.ts";
import { dayOf } from "../dates.ts";
import { oldDaysOf } from "../export-history.ts";
import { retentionSettings } from "../settings.ts";
import type { CronTask } from "../task.ts";

/** Counters per statement: more would block other writes for too long. */
const PAGE = 1_000;
/** Pages per run; the next run continues. Together 8.6 million counters per day. */
const MAX_PAGES = 60;
const CRON = "5-59/10 * * * *";

/**
 * Rolls up the previous day, and each month whose days are all rolled up. A run continues where the
 * last one stopped or crashed. Each counter has what it had at midnight, so the result is the same
 * at any time of the day. Usage of a day on whose next day nothing ran counts for that next day. If
 * R2 takes no page of an export, it deletes no day, and fails once all is rolled up.
 *
 * `left`: counters of the day that are not rolled up, counted up to 100,000. `late`: those that no
 * later run of this day rolls up.
 */
export const rollUpUsage: CronTask = {
  name: "roll-up-usage",
  cron: CRON,
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: env, signal }) {
    const { DB } = env;
    const now = Date.now();
    const day = dayOf(now - DAY_MS);
    const retention = retentionSettings(env);
    // A bad variable keeps no counter from being rolled up: then nothing is deleted.
    const keptFrom = retention.ok ? dayOf(now - retention.value.usageMs) : "";
    const old = oldDaysOf(env, {
      day,
      keptFrom,
      isExported: retention.ok && retention.value.isExported,
    });
    let rolledUp = 0;
    let inMonths = 0;
    let pages = 0;
    const mayGoOn = (): boolean => pages < MAX_PAGES && !signal.aborted;
    for (let left = true; left && mayGoOn(); pages += 1) {
      const page = await rollUpDay(DB, day, await old.next(PAGE), PAGE);
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
    const left = await countUnrolled(DB, day, MAX_COUNTED);
    old.throwFailure();
    const isLastRun = dayOf(nextSlot(CRON, now)) !== dayOf(now);
    return { rolledUp, inMonths, left, late: isLastRun ? left : 0 };
  },
};

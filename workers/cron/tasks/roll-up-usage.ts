import { lastOfMonth, monthToRollUp, rollUpMonthPage, rollUpPage, type CounterKey } from "../../../shared/accounts/usage/store.ts";
import type { CronTask } from "../tasks.ts";

const DAY_MS = 86_400_000;
const PAGE = 1_000;

/**
 * Rolls up the day that has just ended, and each month whose days are all rolled up. What a run does not get to, or a crash leaves, the
 * next hour's run does.
 */
export const rollUpUsage: CronTask = {
  name: "roll-up-usage",
  cron: "5 0-5 * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ given: { DB }, signal }) {
    const day = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
    const rolledUp = await rollUpPages((after) => rollUpPage(DB, day, after, PAGE), null, signal);
    let inMonths = 0;
    // The month of that day still gets days: all before it are complete.
    for (let month = await monthToRollUp(DB); month !== null && month < day.slice(0, 7) && !signal.aborted; month = monthAfter(month)) {
      const one = month;
      inMonths += await rollUpPages((after) => rollUpMonthPage(DB, one, after, PAGE), await lastOfMonth(DB, one), signal);
    }
    return { rolledUp, inMonths };
  },
};

async function rollUpPages(
  rollUp: (after: CounterKey | null) => Promise<{ rolledUp: number; next: CounterKey | null }>,
  from: CounterKey | null,
  signal: AbortSignal,
): Promise<number> {
  let rolledUp = 0;
  for (let after = from; !signal.aborted;) {
    const page = await rollUp(after);
    rolledUp += page.rolledUp;
    after = page.next;
    if (after === null) break;
  }
  return rolledUp;
}

function monthAfter(month: string): string {
  return new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)))).toISOString().slice(0, 7);
}

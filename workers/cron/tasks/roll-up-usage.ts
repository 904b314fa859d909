import { rollUpPage, type CounterKey } from "../../../shared/accounts/usage/store.ts";
import type { CronTask } from "../tasks.ts";

const DAY_MS = 86_400_000;
const PAGE = 1_000;

/** Rolls up the day that has just ended. What a run does not get to, or a crash leaves, the next hour's run does. */
export const rollUpUsage: CronTask = {
  name: "roll-up-usage",
  cron: "5 0-5 * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ given: { DB }, signal }) {
    const day = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
    let rolledUp = 0;
    let after: CounterKey | null = null;
    while (!signal.aborted) {
      const page: Awaited<ReturnType<typeof rollUpPage>> = await rollUpPage(DB, day, after, PAGE);
      rolledUp += page.rolledUp;
      after = page.next;
      if (after === null) break;
    }
    return { rolledUp };
  },
};

import {
  cancelUnsent,
  countUnswept,
  FOR_EVER,
  markSwept,
  unsweptTenants,
} from "../../../shared/email/sql/ended-tenants.ts";
import { deleteOfTenant } from "../../../shared/email/sql/suppression-lists.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { MAX_COUNTED } from "../../../shared/schedule/drain-in-batches.ts";
import type { CronTask } from "../task.ts";

/** Emails per statement: more would block other writes for too long. */
const PAGE = 500;
/** Statements per run; the next run continues. */
const MAX_PAGES = 40;
const MAX_TENANTS = 100;
/** So long an isolate may still accept an email with a key that was revoked meanwhile. */
const SETTLED_MS = 600_000;

/**
 * Cancels emails of ended tenants that have not left. No claim sends them, so this only tidies up
 * what is not due yet, and the suppressions of deleted accounts. A run continues where the last one
 * stopped or crashed. `left`: tenants whose emails may still wait; `late`: those that ended a day
 * ago.
 */
export const cancelUnsentEmails: CronTask = {
  name: "cancel-unsent",
  cron: "2-59/5 * * * *",
  timeoutMs: 120_000,
  graceMs: 1_800_000,
  overlap: "skip",
  async run({ context: { DB }, signal }) {
    const now = Date.now();
    let cancelled = 0;
    let pages = 0;
    const drain = async (drainSome: () => Promise<number>): Promise<number> => {
      let [drained, inPage] = [0, PAGE];
      for (; inPage === PAGE && pages < MAX_PAGES && !signal.aborted; pages += 1) {
        inPage = await drainSome();
        drained += inPage;
      }
      return drained;
    };
    for (const tenant of await unsweptTenants(DB, MAX_TENANTS)) {
      cancelled += await drain(() => cancelUnsent(DB, tenant, now, PAGE));
      // Nothing of a deleted account is sent that they could stop.
      if (tenant.endedUntil === FOR_EVER)
        await drain(() => deleteOfTenant(DB, tenant.tenant, PAGE));
      if (pages >= MAX_PAGES || signal.aborted) break;
      if (tenant.endedAt <= now - SETTLED_MS) await markSwept(DB, tenant, now);
    }
    const left = await countUnswept(DB, now, MAX_COUNTED);
    return { cancelled, left, late: left && (await countUnswept(DB, now - DAY_MS, left)) };
  },
};

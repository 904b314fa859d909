import { expiredRequests } from "../../../shared/accounts/sql/address-changes.ts";
import { expiredPending } from "../../../shared/accounts/sql/pending-members.ts";
import { expire } from "../expire.ts";
import type { CronTask } from "../task.ts";

/** Deletes open confirmations: of memberships after 14 days, of addresses after 24 hours. */
export const expireConfirmations: CronTask = {
  name: "expire-confirmations",
  cron: "35 * * * *",
  timeoutMs: 60_000,
  graceMs: 600_000,
  overlap: "skip",
  onlyDeletes: true,
  async run({ context: { DB }, signal }) {
    const until = Date.now();
    const expired = {
      pendingMembers: { rows: expiredPending, until },
      addressChanges: { rows: expiredRequests, until },
    };
    return await expire(DB, expired, signal);
  },
};

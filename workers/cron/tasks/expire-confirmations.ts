import { expiredRequests } from "../../../shared/accounts/sql/address-changes.ts";
import { oldInvitationCounts } from "../../../shared/accounts/sql/invitation-emails.ts";
import { oldInvitations } from "../../../shared/accounts/sql/invitations.ts";
import { expiredPending } from "../../../shared/accounts/sql/pending-members.ts";
import { DAY_MS } from "../../../shared/lib/base/clock.ts";
import { expire } from "../expire.ts";
import type { CronTask } from "../task.ts";

/**
 * Deletes open confirmations: of memberships after 14 days, of addresses after 24 hours; and
 * invitations 30 days after they are over.
 */
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
      invitations: { rows: oldInvitations, until },
      invitationCounts: { rows: oldInvitationCounts, until: until - DAY_MS },
    };
    return await expire(DB, expired, signal);
  },
};

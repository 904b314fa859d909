import { WRITE_TIMEOUT_MS } from "../../database/write.ts";
import { within } from "../../lib/base/deadline.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { notificationFor } from "../queue-messages.ts";
import type { Named } from "../sql/claim.ts";
import { recordTurns, waitingElsewhere, type WaitingEmail } from "../sql/turns.ts";

/**
 * Emails of which the notifications wait in the queue behind many others. A batch takes some of
 * them, so that a tenant's many emails do not hold up another's.
 */

/** How long an email waits for its own notification before another batch may take it. */
const OWN_NOTIFICATION_MS = 1_000;

/** Emails that one batch takes at a time although their notifications wait behind it. */
export const ELSEWHERE = 20;

/** What cannot be read now has notifications of its own. */
export async function namedElsewhere(db: D1Database, now: number, limit: number): Promise<Named[]> {
  try {
    const emails = await within(
      WRITE_TIMEOUT_MS,
      waitingElsewhere(db, now - OWN_NOTIFICATION_MS, limit),
    );
    if (emails.length > 0) await within(WRITE_TIMEOUT_MS, recordTurns(db, lastOfEach(emails)));
    return emails.map((email) => ({ ...notificationFor(email), ahead: true }));
  } catch (error) {
    log("warn", "email.turns_failed", describeError(error));
    return [];
  }
}

/** @returns the last email of each lane */
const lastOfEach = (emails: readonly WaitingEmail[]): WaitingEmail[] => [
  ...new Map(emails.map((email) => [email.lane, email])).values(),
];

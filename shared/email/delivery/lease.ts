import { leaseMs } from "../rules/hand-over-size.ts";

/** How long a claim, and then each hand-over without uploaded files, holds an email. */
export const LEASE_MS = leaseMs(0);

/** Emails in hand-over at once. A crash leaves at most these `unknown`. */
export const GROUP_SIZE = 5;

/**
 * A token for a new lease. A trigger recognizes the leases of this release by the first two
 * characters: an older release finds contents in `emails`, see migrations/0020_email_shape.sql.
 */
export const newLeaseToken = (): string => `2:${crypto.randomUUID()}`;

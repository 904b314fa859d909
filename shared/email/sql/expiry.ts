import type { TransportName } from "../rules/transports.ts";
import { emailColumns, notNull, pick, selectionOf, type Column, type RowOf } from "./columns.ts";
import { isPaused } from "./pauses.ts";
import { settleEnded, type Settled } from "./settle.ts";

/** SQL of what ends with time: leases, pins and waits. */

const expiredFields = {
  ...pick("id", "generation", "attempts", "onUnknown", "pinnedUntil"),
  status: "status" as Column<"claimed" | "sending">,
  // Releases before several transports had only SMTP, and stored no name.
  transport: "COALESCE(transport, 'smtp')" as Column<TransportName>,
  leaseExpiresAt: notNull(emailColumns.leaseExpiresAt),
};
const expired = selectionOf(expiredFields);
export type ExpiredLease = RowOf<typeof expiredFields>;

export async function expiredLeases(
  db: D1Database,
  now: number,
  limit: number,
): Promise<ExpiredLease[]> {
  const reply = await db
    .prepare(
      `SELECT ${expired.list()} FROM emails
       WHERE status IN ('claimed', 'sending') AND lease_expires_at <= ?1
       ORDER BY lease_expires_at LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return expired.rows(reply);
}

/**
 * Settles emails whose lease has expired. One whose lease was renewed or that was finished
 * meanwhile stays as it is.
 */
export async function settleExpired(
  db: D1Database,
  settled: Settled[],
  now: number,
): Promise<void> {
  const ended = { kind: "leaseExpired", until: now } as const;
  if (settled.length > 0) await db.batch(settleEnded(db, settled, ended, now));
}

const pinnedFields = {
  ...pick("id", "generation", "attempts", "onUnknown"),
  transport: notNull(emailColumns.transport),
  pinnedUntil: notNull(emailColumns.pinnedUntil),
};
const pinned = selectionOf(pinnedFields);

/** Pinned emails whose provider no longer recognizes them by their key. */
export async function forgottenPins(
  db: D1Database,
  now: number,
  limit: number,
): Promise<RowOf<typeof pinnedFields>[]> {
  const reply = await db
    .prepare(
      `SELECT ${pinned.list()} FROM emails
       WHERE status = 'pinned' AND pinned_until <= ?1 ORDER BY pinned_until LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return pinned.rows(reply);
}

/** Settles emails whose pin has ended, unless they moved on meanwhile. */
export async function settleForgotten(
  db: D1Database,
  settled: Settled[],
  now: number,
): Promise<void> {
  const ended = { kind: "pinEnded", until: now } as const;
  if (settled.length > 0) await db.batch(settleEnded(db, settled, ended, now));
}

const waitingFields = pick("id", "generation", "attempts");
const waiting = selectionOf(waitingFields);

/** Emails that have waited for a server or a rate since `until` or before, longest first. */
export async function endlessWaits(
  db: D1Database,
  until: number,
  limit: number,
): Promise<RowOf<typeof waitingFields>[]> {
  const reply = await db
    .prepare(
      `SELECT ${waiting.list("e")} FROM emails AS e
       WHERE e.status = 'queued' AND e.waiting_since <= ?1
         AND +e.wait_class IN ('rate', 'server') AND NOT ${isPaused}
       ORDER BY e.waiting_since LIMIT ?2`,
    )
    .bind(until, limit)
    .all();
  return waiting.rows(reply);
}

/** Settles emails that have waited since `until` or before, unless they moved on meanwhile. */
export async function settleWaits(
  db: D1Database,
  settled: Settled[],
  until: number,
  now: number,
): Promise<void> {
  const ended = { kind: "waitEnded", until } as const;
  if (settled.length > 0) await db.batch(settleEnded(db, settled, ended, now));
}

import type { OnUnknown } from "../rules/lifecycle.ts";
import type { TransportName } from "../rules/transports.ts";
import { onTime, settle, type Settled } from "./settle.ts";

/**
 * SQL of what time ends: leases, and pins. Nobody rings for what goes back to the queue, so the
 * sweeper does as soon as it is due.
 */

export type ExpiredLease = {
  id: string;
  generation: number;
  status: "claimed" | "sending";
  attempts: number;
  onUnknown: OnUnknown;
  transport: TransportName;
  pinnedUntil: number | null;
  leaseExpiresAt: number;
};

export async function expiredLeases(
  db: D1Database,
  now: number,
  limit: number,
): Promise<ExpiredLease[]> {
  const { results } = await db
    .prepare(
      // The release before this one had one transport, and did not say so.
      `SELECT id, generation, status, attempts, on_unknown AS onUnknown, COALESCE(transport, 'smtp') AS transport,
              pinned_until AS pinnedUntil, lease_expires_at AS leaseExpiresAt FROM emails
       WHERE status IN ('claimed', 'sending') AND lease_expires_at <= ?1 ORDER BY lease_expires_at LIMIT ?2`,
    )
    .bind(now, limit)
    .all<ExpiredLease>();
  return results;
}

/**
 * Settles mails whose lease has run out. One whose lease was renewed or that was finished meanwhile
 * stays as it is. Nobody rings for those that go back to the queue, so the sweeper does as soon as
 * they are due.
 */
export async function settleExpired(
  db: D1Database,
  settled: Settled[],
  now: number,
): Promise<void> {
  if (settled.length === 0) return;
  await db.batch(
    settle(
      db,
      settled,
      now,
      "e.status IN ('claimed', 'sending') AND e.lease_expires_at <= ?3",
      now,
      onTime(),
    ),
  );
}

/** Pinned mails whose provider no longer knows them by their key. */
export async function forgottenPins(db: D1Database, now: number, limit: number): Promise<Pinned[]> {
  const { results } = await db
    .prepare(
      `SELECT id, generation, attempts, on_unknown AS onUnknown, transport, pinned_until AS pinnedUntil FROM emails
       WHERE status = 'pinned' AND pinned_until <= ?1 ORDER BY pinned_until LIMIT ?2`,
    )
    .bind(now, limit)
    .all<Pinned>();
  return results;
}

type Pinned = Pick<ExpiredLease, "id" | "generation" | "attempts" | "onUnknown" | "transport"> & {
  pinnedUntil: number;
};

/** Settles mails whose pin has ended, unless they moved on meanwhile. */
export async function settleForgotten(
  db: D1Database,
  settled: Settled[],
  now: number,
): Promise<void> {
  if (settled.length === 0) return;
  await db.batch(
    settle(db, settled, now, "e.status = 'pinned' AND e.pinned_until <= ?3", now, onTime()),
  );
}

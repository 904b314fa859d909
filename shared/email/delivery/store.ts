import type { AttemptDetail, OnUnknown, Settlement } from "../lifecycle.ts";
import type { EmailCategory } from "../schemas.ts";
import type { Doorbell } from "../messages.ts";
import { ringAfter } from "../retry-policy.ts";

/**
 * SQL of handing mails over. Every change of status is guarded by the status it starts from, and past the claim by the lease
 * token, so a statement that is late, repeated or raced changes nothing. Its event is written in the same batch, before
 * the update, under the same guard.
 */

export type Claim = {
  claimed: string[];
  /** Still queued, but not due yet: their doorbell rang too early. */
  early: { id: string; generation: number; dueAt: number }[];
};

const suppressedDetail = JSON.stringify({ transport: "none", phase: "suppression", text: "the recipient is suppressed" });

/** Claims what is due among `doorbells` under a new lease token. Each row goes to one claim only, however many race. */
export async function claim(db: D1Database, doorbells: Doorbell[], token: string, now: number, leaseExpiresAt: number): Promise<Claim> {
  const rung = JSON.stringify(doorbells.map((bell) => ({ id: bell.emailId, generation: bell.generation })));
  const matching = `SELECT e.id FROM json_each(?1) bell JOIN emails e ON e.id = bell.value ->> 'id' AND e.generation = bell.value ->> 'generation'
                    WHERE e.status = 'queued'`;
  const suppressed = `${matching} AND EXISTS (
    SELECT 1 FROM suppressions s WHERE s.address = LOWER(e.to_address) AND (s.scope = 'all' OR e.category <> 'transactional'))`;
  const [, , , claimed, early] = await db.batch<{ id: string; generation: number; dueAt: number }>([
    // Whoever was suppressed since the mail was accepted gets none: it is dead, and the sweep buries it.
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT id, generation, 'dead', ?2, ?3 FROM emails WHERE id IN (${suppressed})`,
      )
      .bind(rung, now, suppressedDetail),
    db
      .prepare(
        `UPDATE emails SET status = 'dead', dead_reason = 'suppressed', last_error = ?3, ring_after = ?2, rings = 0, updated_at = ?2
         WHERE id IN (${suppressed})`,
      )
      .bind(rung, now, suppressedDetail),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT id, generation, 'claimed', ?2 FROM emails WHERE id IN (${matching} AND e.due_at <= ?2)`,
      )
      .bind(rung, now),
    db
      .prepare(
        `UPDATE emails SET status = 'claimed', lease_token = ?3, lease_expires_at = ?4, updated_at = ?2
         WHERE id IN (${matching} AND e.due_at <= ?2) RETURNING id`,
      )
      .bind(rung, now, token, leaseExpiresAt),
    db.prepare(`SELECT id, generation, due_at AS dueAt FROM emails WHERE id IN (${matching} AND e.due_at > ?2)`).bind(rung, now),
  ]);
  return { claimed: (claimed?.results ?? []).map((row) => row.id), early: early?.results ?? [] };
}

/** What a claim holds whose reply was lost. */
export async function claimedBy(db: D1Database, token: string): Promise<string[]> {
  const { results } = await db
    .prepare("SELECT id FROM emails WHERE lease_token = ?1 AND status = 'claimed'")
    .bind(token)
    .all<{ id: string }>();
  return results.map((row) => row.id);
}

export type MailInHandOver = {
  id: string;
  generation: number;
  generationAt: number;
  attempts: number;
  onUnknown: OnUnknown;
  leaseExpiresAt: number;
  from: string;
  to: string;
  replyTo: string | null;
  subject: string;
  html: string | null;
  text: string | null;
  /** JSON, as it was stored. */
  attachments: string | null;
  category: EmailCategory;
};

export type Settled = { id: string; generation: number; settlement: Settlement; detail: AttemptDetail };

/**
 * Finishes one group of mails and marks the next as `sending`, in one batch. Safe to repeat when its reply was lost: what is
 * settled stays settled, and the group that it marked is returned again.
 *
 * @returns the bodies of the next group, each under this lease
 */
export async function advance(
  db: D1Database,
  token: string,
  settled: Settled[],
  next: string[],
  now: number,
  leaseExpiresAt: number,
): Promise<MailInHandOver[]> {
  const nextIds = JSON.stringify(next);
  const replies = await db.batch<MailInHandOver>([
    ...settle(
      db,
      settled.map((one) => settledRow(one, now, ringAfterDoorbell(now))),
      now,
      underLease,
      token,
    ),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT id, generation, 'sending', ?2 FROM emails WHERE lease_token = ?3 AND status = 'claimed' AND id IN (SELECT value FROM json_each(?1))`,
      )
      .bind(nextIds, now, token),
    db
      .prepare(
        `UPDATE emails SET status = 'sending', attempts = attempts + 1, lease_expires_at = ?4, updated_at = ?2
         WHERE lease_token = ?3 AND status = 'claimed' AND id IN (SELECT value FROM json_each(?1))`,
      )
      .bind(nextIds, now, token, leaseExpiresAt),
    db
      .prepare(
        `SELECT id, generation, generation_at AS generationAt, attempts, on_unknown AS onUnknown, lease_expires_at AS leaseExpiresAt,
                from_address AS "from", to_address AS "to", reply_to AS replyTo, subject, html, text, attachments, category
         FROM emails WHERE lease_token = ?2 AND status = 'sending' AND id IN (SELECT value FROM json_each(?1))`,
      )
      .bind(nextIds, token),
  ]);
  return replies.at(-1)?.results ?? [];
}

export type ExpiredLease = { id: string; generation: number; status: "claimed" | "sending"; attempts: number; onUnknown: OnUnknown };

export async function expiredLeases(db: D1Database, now: number, limit: number): Promise<ExpiredLease[]> {
  const { results } = await db
    .prepare(
      `SELECT id, generation, status, attempts, on_unknown AS onUnknown FROM emails
       WHERE status IN ('claimed', 'sending') AND lease_expires_at <= ?1 ORDER BY lease_expires_at LIMIT ?2`,
    )
    .bind(now, limit)
    .all<ExpiredLease>();
  return results;
}

/**
 * Settles mails whose lease has run out. One whose lease was renewed or that was finished meanwhile stays as it is. Nobody
 * rings for those that go back to the queue, so the sweeper does as soon as they are due.
 */
export async function settleExpired(db: D1Database, settled: Settled[], now: number): Promise<void> {
  if (settled.length === 0) return;
  const rows = settled.map((one) => settledRow(one, now, (dueAt) => dueAt));
  await db.batch(settle(db, rows, now, afterExpiry, now));
}

/** A late outcome of the same lease resolves a mail that the sweeper had to call `unknown`. */
const underLease = "e.lease_token = ?3 AND (e.status = 'sending' OR (e.status = 'unknown' AND o.value ->> 'status' <> 'unknown'))";
const afterExpiry = "e.status IN ('claimed', 'sending') AND e.lease_expires_at <= ?3";

function settle(db: D1Database, rows: SettledRow[], now: number, guard: string, guardValue: string | number): D1PreparedStatement[] {
  if (rows.length === 0) return [];
  const outcomes = JSON.stringify(rows);
  const from = "json_each(?1) AS o";
  const matching = `e.id = o.value ->> 'id' AND e.generation = o.value ->> 'generation' AND ${guard}`;
  return [
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT e.id, e.generation, o.value ->> 'status', ?2, o.value ->> 'detail' FROM ${from} JOIN emails AS e ON ${matching}`,
      )
      .bind(outcomes, now, guardValue),
    db
      .prepare(
        `UPDATE emails AS e SET
           status = o.value ->> 'status',
           attempts = o.value ->> 'attempts',
           due_at = COALESCE(o.value ->> 'dueAt', e.due_at),
           ring_after = COALESCE(o.value ->> 'ringAfter', e.ring_after),
           rings = 0,
           dead_reason = o.value ->> 'reason',
           last_error = CASE WHEN o.value ->> 'status' = 'sent' THEN NULL ELSE o.value ->> 'detail' END,
           sent_at = CASE WHEN o.value ->> 'status' = 'sent' THEN ?2 END,
           lease_token = CASE WHEN o.value ->> 'status' = 'unknown' THEN e.lease_token END,
           lease_expires_at = NULL,
           updated_at = ?2
         FROM ${from} WHERE ${matching}`,
      )
      .bind(outcomes, now, guardValue),
  ];
}

type SettledRow = {
  id: string;
  generation: number;
  status: string;
  attempts: number;
  detail: string;
  dueAt?: number;
  ringAfter?: number;
  reason?: string;
};

const ringAfterDoorbell = (now: number) => (dueAt: number) => ringAfter(dueAt, now, 0);

function settledRow({ id, generation, settlement, detail }: Settled, now: number, ringAfterOf: (dueAt: number) => number): SettledRow {
  const row = { id, generation, status: settlement.status, attempts: settlement.attempts, detail: JSON.stringify(detail) };
  switch (settlement.status) {
    case "queued":
      return { ...row, dueAt: settlement.dueAt, ringAfter: ringAfterOf(settlement.dueAt) };
    case "dead":
      return { ...row, reason: settlement.reason, ringAfter: ringAfterOf(now) };
    case "sent":
    case "unknown":
      return row;
  }
}

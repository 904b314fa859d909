import type { AttemptDetail, OnUnknown, Settlement } from "../lifecycle.ts";
import { hasTurn, readPace, takeTurn, type Pace, type Turn } from "../pace/store.ts";
import type { EmailCategory } from "../schemas.ts";
import { ringAfter } from "../retry-policy.ts";
import type { TransportName } from "../transports/names.ts";

/**
 * SQL of handing mails over. Every change of status is guarded by the status it starts from, and past the claim by the lease
 * token, so a statement that is late, repeated or raced changes nothing. Its event is written in the same batch, before
 * the update, under the same guard.
 */

export type MailInHandOver = {
  id: string;
  generation: number;
  generationAt: number;
  attempts: number;
  onUnknown: OnUnknown;
  leaseExpiresAt: number;
  transport: TransportName;
  pinnedUntil: number | null;
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

/** `putBack`: it was claimed, and is not handed over after all. */
export type Settled = {
  id: string;
  generation: number;
  settlement: Settlement;
  detail: AttemptDetail;
  putBack?: boolean;
};

/** A mail that goes to a transport: a claimed one, or one in hand-over that `from` has refused just now. */
export type Mark = { id: string; transport: TransportName; failover: { from: TransportName; refusal: AttemptDetail } | null };

export type Advanced = {
  /** The bodies of the marked mails, each under this lease. One whose transport had no turn is not among them: it is still claimed. */
  mails: MailInHandOver[];
  pace: Pace[];
};

/**
 * Finishes one group of mails and marks the next as `sending`, in one batch. Safe to repeat when its reply was lost: what is
 * settled stays settled, and the group that it marked is returned again.
 *
 * @param turns for the transports that have a rate: their marks depend on it
 */
export async function advance(
  db: D1Database,
  token: string,
  settled: Settled[],
  marks: Mark[],
  turns: Turn[],
  now: number,
  leaseExpiresAt: number,
): Promise<Advanced> {
  const paced = new Map(turns.map(({ transport, grant }) => [transport, grant]));
  const next = JSON.stringify(
    marks.map(({ id, transport, failover }) => ({
      id,
      transport,
      from: failover?.from ?? null,
      grant: paced.get(transport) ?? null,
      detail: JSON.stringify(failover === null ? { transport } : { transport, failedOver: failover.refusal }),
    })),
  );
  // A failover is told from its own repeat by the transport that the row names.
  const marked = `json_each(?1) AS m ON e.id = m.value ->> 'id' AND e.lease_token = ?3
    AND (CASE WHEN m.value ->> 'from' IS NULL THEN e.status = 'claimed' ELSE e.status = 'sending' AND e.transport = m.value ->> 'from' END)
    AND (m.value ->> 'grant' IS NULL OR ${hasTurn("m.value ->> 'transport'", "m.value ->> 'grant'")})`;
  const replies = await db.batch([
    ...settle(
      db,
      settled.map((one) => settledRow(one, now, ringAfterDoorbell(now))),
      now,
      underLease,
      token,
    ),
    ...turns.map((turn) => takeTurn(db, turn, now)),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT e.id, e.generation, 'sending', ?2, m.value ->> 'detail' FROM emails AS e JOIN ${marked}`,
      )
      .bind(next, now, token),
    db
      .prepare(
        `UPDATE emails SET status = 'sending', attempts = attempts + m.claimed, transport = m.transport, lease_expires_at = ?4, updated_at = ?2
         FROM (SELECT e.id AS id, e.status = 'claimed' AS claimed, m.value ->> 'transport' AS transport FROM emails AS e JOIN ${marked}) AS m
         WHERE emails.id = m.id`,
      )
      .bind(next, now, token, leaseExpiresAt),
    readPace(db, [...paced.keys()]),
    db
      .prepare(
        `SELECT e.id, generation, generation_at AS generationAt, attempts, on_unknown AS onUnknown, lease_expires_at AS leaseExpiresAt,
                e.transport, pinned_until AS pinnedUntil, from_address AS "from", to_address AS "to", reply_to AS replyTo, subject, html, text,
                attachments, category
         FROM json_each(?1) AS m JOIN emails AS e ON e.id = m.value ->> 'id' AND e.transport = m.value ->> 'transport'
         WHERE e.lease_token = ?2 AND e.status = 'sending'`,
      )
      .bind(next, token),
  ]);
  const [pace, mails] = replies.slice(-2);
  return { mails: (mails?.results ?? []) as MailInHandOver[], pace: (pace?.results ?? []) as Pace[] };
}

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

export async function expiredLeases(db: D1Database, now: number, limit: number): Promise<ExpiredLease[]> {
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
 * Settles mails whose lease has run out. One whose lease was renewed or that was finished meanwhile stays as it is. Nobody
 * rings for those that go back to the queue, so the sweeper does as soon as they are due.
 */
export async function settleExpired(db: D1Database, settled: Settled[], now: number): Promise<void> {
  if (settled.length === 0) return;
  const rows = settled.map((one) => settledRow(one, now, (dueAt) => dueAt));
  await db.batch(settle(db, rows, now, afterExpiry, now));
}

/** A late outcome of the same lease resolves a mail that the sweeper had to call `unknown`. A claimed one is put back. */
const underLease = `e.lease_token = ?3 AND (e.status = 'sending' OR (e.status = 'unknown' AND o.value ->> 'status' <> 'unknown')
  OR (e.status = 'claimed' AND o.value ->> 'putBack' = 1))`;
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
           pinned_until = o.value ->> 'pinnedUntil',
           provider_id = COALESCE(o.value ->> 'providerId', e.provider_id),
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
  pinnedUntil?: number | null;
  providerId?: string;
  putBack: boolean;
};

const ringAfterDoorbell = (now: number) => (dueAt: number) => ringAfter(dueAt, now, 0);

function settledRow(
  { id, generation, settlement, detail, putBack = false }: Settled,
  now: number,
  ringAfterOf: (dueAt: number) => number,
): SettledRow {
  const row = {
    id,
    generation,
    status: settlement.status,
    attempts: settlement.attempts,
    detail: JSON.stringify(detail),
    putBack,
    ...(detail.providerId !== undefined && { providerId: detail.providerId }),
  };
  switch (settlement.status) {
    case "queued":
      return { ...row, dueAt: settlement.dueAt, ringAfter: ringAfterOf(settlement.dueAt), pinnedUntil: settlement.pinnedUntil };
    case "dead":
      return { ...row, reason: settlement.reason, ringAfter: ringAfterOf(now) };
    case "sent":
    case "unknown":
      return row;
  }
}

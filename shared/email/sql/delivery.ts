import type { OnUnknown } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import type { TransportName } from "../rules/transports.ts";
import type { EmailCategory } from "../schemas.ts";
import { hasTurn, readPace, takeTurn, type Pace, type Turn } from "./pace.ts";
import { afterDoorbell, settle, type Settled } from "./settle.ts";

/**
 * SQL of handing mails over. Every change of status is guarded by the status it starts from, and
 * past the claim by the lease token, so a statement that is late, repeated or raced changes
 * nothing. Its event is written in the same batch, before the update, under the same guard.
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
  traceId: string | null;
};

/**
 * A mail that goes to a transport: a claimed one, or one in hand-over that `from` has refused just
 * now.
 */
export type Mark = {
  id: string;
  transport: TransportName;
  failover: { from: TransportName; refusal: AttemptDetail } | null;
};

export type Advanced = {
  /**
   * The bodies of the marked mails, each under this lease. One whose transport had no turn is not
   * among them: it is still claimed.
   */
  mails: MailInHandOver[];
  pace: Pace[];
};

/**
 * Finishes one group of mails and marks the next as `sending`, in one batch. Safe to repeat when
 * its reply was lost: what is settled stays settled, and the group that it marked is returned
 * again.
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
      detail: JSON.stringify(
        failover === null ? { transport } : { transport, failedOver: failover.refusal },
      ),
    })),
  );
  // A failover is told from its own repeat by the transport that the row names. The plus keeps the
  // token's index out: it would read all that the lease holds for each mail of the group.
  const marked = `json_each(?1) AS m ON e.id = m.value ->> 'id' AND +e.lease_token = ?3
    AND (CASE WHEN m.value ->> 'from' IS NULL THEN e.status = 'claimed' ELSE e.status = 'sending' AND e.transport = m.value ->> 'from' END)
    AND (m.value ->> 'grant' IS NULL OR ${hasTurn("m.value ->> 'transport'", "m.value ->> 'grant'")})`;
  const replies = await db.batch([
    ...settle(db, settled, now, underLease, token, afterDoorbell(now)),
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
                attachments, category, trace_id AS traceId
         FROM json_each(?1) AS m JOIN emails AS e ON e.id = m.value ->> 'id' AND e.transport = m.value ->> 'transport'
         WHERE +e.lease_token = ?2 AND e.status = 'sending'`,
      )
      .bind(next, token),
  ]);
  const [pace, mails] = replies.slice(-2);
  return {
    mails: (mails?.results ?? []) as MailInHandOver[],
    pace: (pace?.results ?? []) as Pace[],
  };
}

/**
 * A late outcome of the same lease resolves a mail that the sweeper had to call `unknown`. A
 * claimed one is put back.
 */
const underLease = `+e.lease_token = ?3 AND (e.status = 'sending' OR (e.status = 'unknown' AND o.value ->> 'status' NOT IN ('unknown', 'pinned'))
  OR (e.status = 'claimed' AND o.value ->> 'putBack' = 1))`;

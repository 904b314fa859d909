import type { Doorbell } from "../queue-messages.ts";
import type { Claimed } from "../rules/claimed.ts";
import { ringAfter } from "../rules/retry-policy.ts";
import type { TransportName } from "../rules/transports.ts";

/**
 * SQL of claiming what is due. Every change of status is guarded by the status it starts from, so a
 * statement that is late, repeated or raced changes nothing. Its event is written in the same
 * batch, before the update, under the same guard.
 */

type Due = { id: string; generation: number; dueAt: number };

export type Claim = {
  claimed: Claimed[];
  /** Not due for a while: their doorbell could not be delayed for as long. */
  early: Due[];
};

type ClaimedRow = Omit<Claimed, "pinned"> & {
  transport: TransportName | null;
  pinnedUntil: number | null;
};

const claimedColumns =
  "id, generation, attempts, on_unknown AS onUnknown, category, due_at AS dueAt, trace_id AS traceId, transport, pinned_until AS pinnedUntil";

function claimedOf({ transport, pinnedUntil, ...mail }: ClaimedRow): Claimed {
  return {
    ...mail,
    pinned:
      transport === null || pinnedUntil === null ? null : { to: transport, until: pinnedUntil },
  };
}

const suppressedDetail = JSON.stringify({
  transport: "none",
  phase: "suppression",
  text: "the recipient is suppressed",
});

/** `doorbells` as the statements take them. */
function rungFor(doorbells: Doorbell[]): string {
  return JSON.stringify(
    doorbells.map((bell) => ({ id: bell.emailId, generation: bell.generation })),
  );
}

const rung =
  "json_each(?1) bell JOIN emails e ON e.id = bell.value ->> 'id' AND e.generation = bell.value ->> 'generation'";
/**
 * One that is due within a minute has another doorbell, or the sweeper's: to ring again for each
 * would make them ever more.
 */
const EARLY_MS = 60_000;
const rungEarly = `SELECT id, generation, due_at AS dueAt FROM emails
                   WHERE id IN (SELECT e.id FROM ${rung} WHERE e.status IN ('scheduled', 'queued', 'pinned')) AND due_at > ?2 + ${EARLY_MS}`;

/**
 * Claims what is due among `doorbells` under a new lease token. Each row goes to one claim only,
 * however many race.
 *
 * @param open the transports that take mails now: what is pinned to another waits
 * @param limit how many at most, the longest waiting first
 */
export async function claim(
  db: D1Database,
  doorbells: Doorbell[],
  token: string,
  now: number,
  leaseExpiresAt: number,
  open: readonly TransportName[],
  limit: number = doorbells.length,
): Promise<Claim> {
  const bells = rungFor(doorbells);
  const promoted = `SELECT e.id FROM ${rung} WHERE e.status = 'scheduled' AND e.due_at <= ?2`;
  const waiting = `SELECT e.id FROM ${rung} WHERE (e.status = 'queued' OR (e.status = 'pinned' AND e.transport IN (SELECT value FROM json_each(?4))))`;
  const suppressed = `SELECT e.id FROM ${rung} WHERE e.status IN ('queued', 'pinned') AND EXISTS (
    SELECT 1 FROM suppressions s WHERE s.address = LOWER(e.to_address) AND (s.scope = 'all' OR e.category <> 'transactional'))`;
  // Of one whose fate is open nobody may say that it was not sent.
  const suppressedAs = "CASE WHEN status = 'queued' THEN 'suppressed' ELSE 'unknown' END";
  const due = `${waiting} AND e.due_at <= ?2 ORDER BY e.due_at, e.id LIMIT ?3`;
  const names = JSON.stringify(open);
  const replies = await db.batch([
    ...promote(db, promoted, bells, now),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT id, generation, ${suppressedAs}, ?2, ?3 FROM emails WHERE id IN (${suppressed})`,
      )
      .bind(bells, now, suppressedDetail),
    db
      .prepare(
        `UPDATE emails SET status = ${suppressedAs}, pinned_until = NULL, last_error = ?3, updated_at = ?2 WHERE id IN (${suppressed})`,
      )
      .bind(bells, now, suppressedDetail),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at) SELECT id, generation, 'claimed', ?2 FROM emails WHERE id IN (${due})`,
      )
      .bind(bells, now, limit, names),
    db
      .prepare(
        `UPDATE emails SET status = 'claimed', lease_token = ?5, lease_expires_at = ?6, updated_at = ?2
         WHERE id IN (${due}) RETURNING ${claimedColumns}`,
      )
      .bind(bells, now, limit, names, token, leaseExpiresAt),
    db.prepare(rungEarly).bind(bells, now),
  ]);
  const [claimed, early] = replies.slice(-2);
  return {
    claimed: ((claimed?.results ?? []) as ClaimedRow[]).map(claimedOf),
    early: (early?.results ?? []) as Due[],
  };
}

/** What a claim holds whose reply was lost. */
export async function claimedBy(db: D1Database, token: string): Promise<Claimed[]> {
  const { results } = await db
    .prepare(`SELECT ${claimedColumns} FROM emails WHERE lease_token = ?1 AND status = 'claimed'`)
    .bind(token)
    .all<ClaimedRow>();
  return results.map(claimedOf);
}

/**
 * Puts off what is due among `doorbells` and was not claimed: nobody takes it now. No attempt, and
 * no event: it stays what it is.
 *
 * @param detail why, as JSON
 * @returns whom to ring for again
 */
export async function postpone(
  db: D1Database,
  doorbells: Doorbell[],
  until: number,
  detail: string,
  now: number,
): Promise<Due[]> {
  const bells = rungFor(doorbells);
  const replies = await db.batch<Due>([
    ...promote(
      db,
      `SELECT e.id FROM ${rung} WHERE e.status = 'scheduled' AND e.due_at <= ?2`,
      bells,
      now,
    ),
    db.prepare(rungEarly).bind(bells, now),
    db
      .prepare(
        `UPDATE emails SET due_at = ?3, ring_after = ?4, rings = 0, last_error = ?5, updated_at = ?2
         WHERE id IN (SELECT e.id FROM ${rung} WHERE e.status IN ('queued', 'pinned') AND e.due_at <= ?2) RETURNING id, generation, due_at AS dueAt`,
      )
      .bind(bells, now, until, ringAfter(until, now, 0), detail),
  ]);
  return replies.slice(-2).flatMap(({ results }) => results);
}

/** Queues scheduled mails whose time has come, longest due first. */
export async function promoteDue(db: D1Database, now: number, limit: number): Promise<void> {
  await db.batch(
    promote(
      db,
      "SELECT id FROM emails WHERE status = 'scheduled' AND due_at <= ?2 ORDER BY due_at, id LIMIT ?1",
      limit,
      now,
    ),
  );
}

/** @param selected SQL for the ids, with `?1` as `bound` and `?2` as `now` */
function promote(
  db: D1Database,
  selected: string,
  bound: string | number,
  now: number,
): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at) SELECT id, generation, 'queued', ?2 FROM emails WHERE id IN (${selected})`,
      )
      .bind(bound, now),
    db
      .prepare(`UPDATE emails SET status = 'queued', updated_at = ?2 WHERE id IN (${selected})`)
      .bind(bound, now),
  ];
}

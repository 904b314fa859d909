import type { HardBounce } from "../rules/hard-bounce.ts";
import type { Settlement } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import type { RecipientsSettled, RecipientChange } from "../rules/recipients.ts";
import { nextNotificationAt } from "../rules/retry-policy.ts";
import type { EndOfTest } from "../rules/test-recipients.ts";
import type { WaitClass, Waited } from "../rules/waits.ts";
import { nextEvent } from "./events.ts";
import { isPaused } from "./pauses.ts";
import { changeRecipients } from "./recipients.ts";
import { countSent } from "./sent-usage.ts";

/** SQL of what emails become, each under a guard, with its event in the same batch. */

/**
 * `putBack`: it was claimed, and is not handed over after all. `suppress`: of its recipients those
 * at whom no email can arrive.
 */
export type Settled = {
  id: string;
  generation: number;
  settlement: Settlement;
  detail: AttemptDetail;
  putBack?: boolean;
  suppress?: readonly HardBounce[];
  /** What follows once this is recorded. */
  endOfTest?: EndOfTest;
  /** Absent if no recipient has an outcome of its own. */
  recipients?: Pick<RecipientsSettled, "changes" | "raisesPart" | "hasLeft">;
};

/**
 * Under which condition an email is settled. `value` is bound in its place. A plus keeps SQLite
 * from any index but that of the id.
 */
type Guard = { sql: string; value: string | number };
const guards = {
  /**
   * A late outcome of the same lease resolves an email that the sweeper had to call `unknown`. A
   * claimed one is put back.
   */
  lease: `+e.lease_token = ?3 AND (e.status = 'sending'
    OR (e.status = 'unknown' AND o.value ->> 'status' NOT IN ('unknown', 'pinned'))
    OR (e.status = 'claimed' AND o.value ->> 'putBack' = 1))`,
  leaseExpired: "+e.status IN ('claimed', 'sending') AND e.lease_expires_at <= ?3",
  pinEnded: "+e.status = 'pinned' AND e.pinned_until <= ?3",
  waitEnded: `+e.status = 'queued' AND e.wait_class IN ('rate', 'server')
    AND e.waiting_since <= ?3 AND NOT ${isPaused}`,
};

/** Settles emails that a lease holds. A notification of what goes back to the queue follows. */
export function settleUnderLease(
  db: D1Database,
  settled: Settled[],
  token: string,
  now: number,
): D1PreparedStatement[] {
  const rows = settled.map((one) =>
    settledRow(one, now, (dueAt) => nextNotificationAt(dueAt, now, 0)),
  );
  return recordSettled(db, rows, { sql: guards.lease, value: token }, now);
}

/**
 * The same where D1 has no room: rows are only changed in place. The outcome is recorded, without
 * its event and its count.
 */
export function settleInPlace(
  db: D1Database,
  settled: Settled[],
  token: string,
  now: number,
): D1PreparedStatement[] {
  const changed = settled.some(({ recipients }) => (recipients?.changes.length ?? 0) > 0);
  return settleUnderLease(db, settled, token, now).slice(changed ? -2 : -1);
}

type Ended = { kind: "leaseExpired" | "pinEnded" | "waitEnded"; until: number };

/**
 * Settles emails whose lease has expired, whose pin has ended or that have waited too long. The
 * sweeper notifies of what goes back to the queue as soon as it is due, because nothing else does.
 *
 * @param ended `until`: the latest time at which theirs ended
 */
export function settleEnded(
  db: D1Database,
  settled: Settled[],
  { kind, until }: Ended,
  now: number,
): D1PreparedStatement[] {
  const rows = settled.map((one) => settledRow(one, now, (dueAt) => dueAt));
  return recordSettled(db, rows, { sql: guards[kind], value: until }, now);
}

function recordSettled(
  db: D1Database,
  rows: SettledRow[],
  guard: Guard,
  now: number,
): D1PreparedStatement[] {
  if (rows.length === 0) return [];
  const outcomes = JSON.stringify(rows);
  const from = "json_each(?1) AS o";
  const matching = `e.id = o.value ->> 'id' AND e.generation = o.value ->> 'generation'
    AND ${guard.sql}`;
  const sent = {
    from: `${from} CROSS JOIN emails AS e ON ${matching}`,
    condition: "(o.value ->> 'status' = 'sent' OR o.value ->> 'hasLeft') AND e.sent_at IS NULL",
    bound: [outcomes, now, guard.value],
  };
  return [
    ...(rows.some(({ status, hasLeft }) => status === "sent" || hasLeft)
      ? [countSent(db, sent, now)]
      : []),
    ...(rows.some(({ suppress }) => suppress.length > 0)
      ? [suppressBounced(db, `${from} CROSS JOIN emails AS e ON ${matching}`, sent.bound)]
      : []),
    db
      .prepare(
        `INSERT INTO email_events (email_id, n, generation, type, at, detail)
         SELECT e.id, ${nextEvent("e.id")},
           e.generation, o.value ->> 'status', ?2, o.value ->> 'detail'
         FROM ${from} CROSS JOIN emails AS e ON ${matching}`,
      )
      .bind(outcomes, now, guard.value),
    ...(rows.some(({ recipients }) => recipients.length > 0)
      ? [changeRecipients(db, matching, [outcomes, now, guard.value])]
      : []),
    db
      .prepare(
        `UPDATE emails AS e SET
           status = o.value ->> 'status',
           attempts = o.value ->> 'attempts',
           due_at = COALESCE(o.value ->> 'dueAt', e.due_at),
           ring_after = COALESCE(o.value ->> 'notifyAfter', e.ring_after),
           rings = 0,
           dead_reason = o.value ->> 'reason',
           last_error = CASE WHEN o.value ->> 'status' = 'sent' THEN NULL
                             ELSE o.value ->> 'detail' END,
           sent_at = COALESCE(e.sent_at,
             CASE WHEN o.value ->> 'status' = 'sent' OR o.value ->> 'hasLeft' THEN ?2 END),
           part = e.part + (o.value ->> 'raisesPart'),
           pinned_until = o.value ->> 'pinnedUntil',
           waits = COALESCE(o.value ->> 'waits', e.waits),
           wait_class = CASE WHEN o.value ->> 'waits' IS NULL THEN e.wait_class
                             ELSE o.value ->> 'waitClass' END,
           waiting_since = CASE WHEN o.value ->> 'waitClass' IS NULL THEN e.waiting_since
                                ELSE COALESCE(e.waiting_since, ?2) END,
           transport = CASE WHEN o.value ->> 'status' = 'queued' THEN NULL ELSE e.transport END,
           provider_id = COALESCE(o.value ->> 'providerId', e.provider_id),
           lease_token = CASE WHEN o.value ->> 'status' = 'unknown' THEN e.lease_token END,
           lease_expires_at = NULL,
           updated_at = ?2
         FROM ${from} WHERE ${matching}`,
      )
      .bind(outcomes, now, guard.value),
  ];
}

/** @param joined SQL with rows `o` and their emails `e`, with `bound` */
function suppressBounced(
  db: D1Database,
  joined: string,
  bound: readonly (string | number)[],
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO suppressions (address, scope, reason, note, created_at)
       SELECT LOWER(s.value ->> 'address'), 'all', 'bounce', s.value ->> 'text', ?2
       FROM ${joined} CROSS JOIN json_each(o.value -> 'suppress') AS s WHERE true
       ON CONFLICT (address, scope) DO NOTHING`,
    )
    .bind(...bound);
}

type SettledRow = {
  id: string;
  generation: number;
  status: string;
  attempts: number;
  detail: string;
  dueAt?: number;
  notifyAfter?: number;
  reason?: string;
  pinnedUntil?: number;
  /** How many answers of that class it waited for: 0 for none; absent to leave both. */
  waits?: number;
  waitClass?: WaitClass | null;
  providerId?: string;
  putBack: boolean;
  suppress: readonly HardBounce[];
  recipients: readonly RecipientChange[];
  raisesPart: boolean;
  hasLeft: boolean;
};

function settledRow(
  { id, generation, settlement, detail, putBack = false, suppress = [], recipients }: Settled,
  now: number,
  notifyAt: (dueAt: number) => number,
): SettledRow {
  const row = {
    id,
    generation,
    status: settlement.status,
    attempts: settlement.attempts,
    detail: JSON.stringify(detail),
    putBack,
    suppress,
    recipients: recipients?.changes ?? [],
    raisesPart: recipients?.raisesPart ?? false,
    hasLeft: recipients?.hasLeft ?? false,
    ...(detail.providerId !== undefined && { providerId: detail.providerId }),
  };
  switch (settlement.status) {
    case "queued":
      return {
        ...row,
        ...waitOf(settlement.waited),
        dueAt: settlement.dueAt,
        notifyAfter: notifyAt(settlement.dueAt),
      };
    case "pinned":
      return {
        ...row,
        dueAt: settlement.dueAt,
        notifyAfter: notifyAt(settlement.dueAt),
        pinnedUntil: settlement.pinnedUntil,
      };
    case "dead":
      return { ...row, reason: settlement.reason, notifyAfter: notifyAt(now) };
    case "sent":
    case "unknown":
      return row;
  }
}

function waitOf(waited: Waited | null | undefined): Pick<SettledRow, "waits" | "waitClass"> {
  if (waited === undefined) return {};
  return waited === null
    ? { waits: 0, waitClass: null }
    : { waits: waited.count, waitClass: waited.class };
}

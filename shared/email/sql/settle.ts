import type { Settlement } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import { ringAfter } from "../rules/retry-policy.ts";

/**
 * SQL of what mails become, each under a guard of its caller's, with its event in the same batch.
 */

/** `putBack`: it was claimed, and is not handed over after all. */
export type Settled = {
  id: string;
  generation: number;
  settlement: Settlement;
  detail: AttemptDetail;
  putBack?: boolean;
};

/** When the sweeper may ring: a while after a doorbell that rings on time... */
export const afterDoorbell = (now: number) => (dueAt: number) => ringAfter(dueAt, now, 0);
/** ...or on time itself, where nobody else does. */
export const onTime = () => (dueAt: number) => dueAt;

/**
 * @param guard SQL over the row `e` and the outcome `o.value`, with `?3` as `guardValue`: who
 * settles what may be settled
 */
export function settle(
  db: D1Database,
  settled: Settled[],
  now: number,
  guard: string,
  guardValue: string | number,
  ringAfterOf: (dueAt: number) => number,
): D1PreparedStatement[] {
  if (settled.length === 0) return [];
  const outcomes = JSON.stringify(settled.map((one) => settledRow(one, now, ringAfterOf)));
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
           transport = CASE WHEN o.value ->> 'status' = 'queued' THEN NULL ELSE e.transport END,
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
  pinnedUntil?: number;
  providerId?: string;
  putBack: boolean;
};

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
      return { ...row, dueAt: settlement.dueAt, ringAfter: ringAfterOf(settlement.dueAt) };
    case "pinned":
      return {
        ...row,
        dueAt: settlement.dueAt,
        ringAfter: ringAfterOf(settlement.dueAt),
        pinnedUntil: settlement.pinnedUntil,
      };
    case "dead":
      return { ...row, reason: settlement.reason, ringAfter: ringAfterOf(now) };
    case "sent":
    case "unknown":
      return row;
  }
}

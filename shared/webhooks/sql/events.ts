import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import type { ExpiringRows } from "../../database/expiring.ts";

/** SQL of the outbox of events. Triggers write them, see migrations/0032_webhooks.sql. */

/** SQL: the oldest events whose deliveries are not written, with the time as `?1`. */
const waiting = "SELECT n FROM webhook_events WHERE pending = 1 AND n > 0 ORDER BY n LIMIT ?2";

/** SQL over an event `e`: the patterns that it matches. */
const matched = "('*', substr(e.type, 1, instr(e.type, '.')) || '*', e.type)";

/**
 * Writes the deliveries of waiting events, in one batch: of two at a time one finds them.
 *
 * @returns `events`: how many it took. `targets`: the endpoints that got deliveries
 */
export async function fanOutEvents(
  db: D1Database,
  now: number,
  limit: number,
): Promise<{ events: number; targets: string[] }> {
  const replies = await runBatch(db, {
    deliveries: db
      .prepare(
        `INSERT INTO deliveries
           (id, kind, target, type, event, status, due_at, created_at, updated_at)
         SELECT e.id || '.' || s.endpoint_id, 'webhook', s.endpoint_id, e.type, e.n,
           'pending', ?1, ?1, ?1
         FROM webhook_events e
         CROSS JOIN webhook_subscriptions s ON s.tenant IN (e.tenant, 'admin')
           AND s.pattern IN ${matched}
         WHERE e.n IN (${waiting}) AND e.endpoint_id IS NULL
         ON CONFLICT (id) DO NOTHING RETURNING target`,
      )
      .bind(now, limit),
    taken: db
      .prepare(
        `UPDATE webhook_events SET pending = 0 WHERE n IN (${waiting}) AND ?1 > 0 RETURNING n`,
      )
      .bind(now, limit),
  });
  const targets = (replies.deliveries.results as { target: string }[]).map((row) => row.target);
  return { events: replies.taken.results.length, targets: [...new Set(targets)] };
}

/** Whether any endpoint subscribes to anything. */
export async function hasSubscriptions(db: D1Database): Promise<boolean> {
  return (
    (await db.prepare("SELECT 1 FROM webhook_subscriptions WHERE tenant > '' LIMIT 1").first()) !==
    null
  );
}

type TestEvent = {
  eventId: string;
  endpointId: string;
  tenant: string | null;
  keyed: KeyedRequest | null;
};

/**
 * A test event and its delivery, which the endpoint gets without a subscription.
 *
 * @returns whether there is such an endpoint
 */
export async function insertTestEvent(
  db: D1Database,
  { eventId, endpointId, tenant, keyed }: TestEvent,
  now: number,
): Promise<boolean> {
  const endpoint = "webhook_endpoints w WHERE w.id = ?2 AND (?3 IS NULL OR w.tenant = ?3)";
  const bound = [eventId, endpointId, tenant, now] as const;
  const replies = await runBatch(db, {
    event: db
      .prepare(
        `INSERT INTO webhook_events (id, type, tenant, at, data, endpoint_id, pending)
         SELECT ?1, 'webhook.test', w.tenant, ?4, json_object('endpointId', w.id), w.id, 0
         FROM ${endpoint} RETURNING n`,
      )
      .bind(...bound),
    delivery: db
      .prepare(
        `INSERT INTO deliveries
           (id, kind, target, type, event, status, due_at, created_at, updated_at)
         SELECT ?1 || '.' || w.id, 'webhook', w.id, 'webhook.test', last_insert_rowid(),
           'pending', ?4, ?4, ?4
         FROM ${endpoint}`,
      )
      .bind(...bound),
    answered: insertCreated(db, keyed, now, {
      created: "SELECT id FROM deliveries WHERE id = ?1 || '.' || ?2",
      bound: [eventId, endpointId],
    }),
  });
  return replies.event.results.length > 0;
}

/** Events of which no delivery is left: those are deleted a day earlier. */
export const oldEvents: ExpiringRows = { table: "webhook_events", key: "n", isOver: "at <= ?1" };

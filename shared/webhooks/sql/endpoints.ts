import {
  findAnswer,
  insertAnswer,
  type FirstAnswer,
  type KeyedRequest,
} from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import type { Cursor } from "../../http/lists.ts";
import type { PauseReason } from "../rules/health.ts";

/** SQL of endpoints. Triggers keep `webhook_subscriptions` as `events` is. */

export const MAX_ENDPOINTS_OF_TENANT = 20;

/** An endpoint without its secrets. */
export type Endpoint = {
  id: string;
  tenant: string;
  url: string;
  description: string | null;
  events: string[];
  pausedBecause: PauseReason | null;
  pausedAt: number | null;
  previousUntil: number | null;
  failures: number;
  failingSince: number | null;
  notBefore: number | null;
  createdAt: number;
  updatedAt: number;
};

type Row = Omit<Endpoint, "events"> & { events: string };

const columns = `id, tenant, url, description, events, paused_because AS pausedBecause,
  paused_at AS pausedAt, previous_until AS previousUntil, failures,
  failing_since AS failingSince, not_before AS notBefore, created_at AS createdAt,
  updated_at AS updatedAt`;

const endpointFrom = ({ events, ...row }: Row): Endpoint => ({
  ...row,
  events: JSON.parse(events) as string[],
});

const firstOf = ({ results }: D1Result): Endpoint | null => {
  const [row] = results as Row[];
  return row === undefined ? null : endpointFrom(row);
};

export type NewEndpoint = Pick<Endpoint, "id" | "tenant" | "url" | "description" | "events"> & {
  /** Encrypted. */
  secret: string;
};

export type Created =
  | { tag: "created"; endpoint: Endpoint }
  | { tag: "too-many" }
  /** A request with the same key was answered before. */
  | { tag: "answered"; first: FirstAnswer };

/** @param keyed its Idempotency-Key: the answer that is kept is the id, never the secret */
export async function insertEndpoint(
  db: D1Database,
  endpoint: NewEndpoint,
  keyed: KeyedRequest | null,
  now: number,
): Promise<Created> {
  const { id, tenant, url, description, events, secret } = endpoint;
  const hasRoom = "(SELECT COUNT(*) FROM webhook_endpoints WHERE tenant = ?1) < ?2";
  const limit = [tenant, MAX_ENDPOINTS_OF_TENANT] as const;
  const insert = db
    .prepare(
      `INSERT INTO webhook_endpoints
         (id, tenant, url, description, events, secret, created_at, updated_at)
       SELECT ?3, ?1, ?4, ?5, ?6, ?7, ?8, ?8 WHERE ${hasRoom} RETURNING ${columns}`,
    )
    .bind(...limit, id, url, description, JSON.stringify(events), secret, now);
  const answer = { answer: "json_object('id', ?3)", condition: hasRoom, bound: [...limit, id] };
  try {
    const replies = await runBatch(db, {
      answered: keyed === null ? [] : insertAnswer(db, keyed, now, answer),
      insert,
    });
    const created = firstOf(replies.insert);
    return created === null ? { tag: "too-many" } : { tag: "created", endpoint: created };
  } catch (error) {
    const first = keyed === null ? null : await findAnswer(db, keyed, now);
    if (first === null) throw error;
    return { tag: "answered", first };
  }
}

/** @param tenant whose it must be; null for any */
export async function findEndpoint(
  db: D1Database,
  id: string,
  tenant: string | null,
): Promise<Endpoint | null> {
  const row = await db
    .prepare(
      `SELECT ${columns} FROM webhook_endpoints WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)`,
    )
    .bind(id, tenant)
    .first<Row>();
  return row === null ? null : endpointFrom(row);
}

/** One page, newest first. */
export async function findEndpoints(
  db: D1Database,
  tenant: string | null,
  before: Cursor | null,
  limit: number,
): Promise<Endpoint[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM webhook_endpoints
       WHERE ${tenant === null ? "?1 IS NULL" : "tenant = ?1"}
         AND (created_at, id) < (?2, ?3)
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(tenant, before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit)
    .all<Row>();
  return results.map(endpointFrom);
}

export type EndpointChanges = {
  url?: string | undefined;
  /** Null removes it. */
  description?: string | null | undefined;
  events?: string[] | undefined;
  /** `updatedAt` of the endpoint that the change is for; null for any. */
  readAt?: number | null;
};

type Owned = { id: string; tenant: string | null };

/** A new URL is not the one that failed: its health begins again. */
export async function saveEndpoint(
  db: D1Database,
  { id, tenant }: Owned,
  { url, description, events, readAt = null }: EndpointChanges,
  now: number,
): Promise<Endpoint | null> {
  const reply = await db
    .prepare(
      `UPDATE webhook_endpoints SET
         failures = iif(COALESCE(?3, url) = url, failures, 0),
         failing_since = iif(COALESCE(?3, url) = url, failing_since, NULL),
         not_before = iif(COALESCE(?3, url) = url, not_before, NULL),
         url = COALESCE(?3, url), description = iif(?4, ?5, description),
         events = COALESCE(?6, events), updated_at = MAX(?7, updated_at + 1)
       WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2) AND (?8 IS NULL OR updated_at = ?8)
       RETURNING ${columns}`,
    )
    .bind(
      id,
      tenant,
      url ?? null,
      description === undefined ? 0 : 1,
      description ?? null,
      events === undefined ? null : JSON.stringify(events),
      now,
      readAt,
    )
    .all();
  return firstOf(reply);
}

/** Pauses an endpoint at its owner's request. One that is paused stays as it is. */
export async function pauseEndpoint(
  db: D1Database,
  { id, tenant }: Owned,
  now: number,
): Promise<Endpoint | null> {
  const reply = await db
    .prepare(
      `UPDATE webhook_endpoints SET paused_because = COALESCE(paused_because, 'requested'),
         paused_at = COALESCE(paused_at, ?3), updated_at = ?3
       WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2) RETURNING ${columns}`,
    )
    .bind(id, tenant, now)
    .all();
  return firstOf(reply);
}

/** What waited is due again, and the health begins again. */
export async function resumeEndpoint(
  db: D1Database,
  { id, tenant }: Owned,
  now: number,
): Promise<Endpoint | null> {
  const reply = await db
    .prepare(
      `UPDATE webhook_endpoints SET paused_because = NULL, paused_at = NULL, owner_notified = 1,
         failures = 0, failing_since = NULL, not_before = NULL, slow = 0, updated_at = ?3
       WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2) RETURNING ${columns}`,
    )
    .bind(id, tenant, now)
    .all();
  return firstOf(reply);
}

/** @param secret the new one, encrypted. The one before signs too until `previousUntil` */
export async function replaceSecret(
  db: D1Database,
  { id, tenant }: Owned,
  { secret, previousUntil }: { secret: string; previousUntil: number },
  now: number,
): Promise<Endpoint | null> {
  const reply = await db
    .prepare(
      `UPDATE webhook_endpoints SET previous_secret = iif(secret = ?3, previous_secret, secret),
         previous_until = ?4, secret = ?3, updated_at = ?5
       WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2) RETURNING ${columns}`,
    )
    .bind(id, tenant, secret, previousUntil, now)
    .all();
  return firstOf(reply);
}

/** @returns whether it was there */
export async function deleteEndpoint(db: D1Database, { id, tenant }: Owned): Promise<boolean> {
  const { results } = await db
    .prepare(
      "DELETE FROM webhook_endpoints WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2) RETURNING id",
    )
    .bind(id, tenant)
    .all();
  return results.length > 0;
}

import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import type { Cursor } from "../../http/lists.ts";
import type { Verification } from "../rules/senders.ts";
import type { TransportName } from "../rules/transports.ts";
import { fromJson, toJson, type Json } from "./columns.ts";

/** SQL of senders. */

/** The tenant of a sender that each tenant may use. */
export const SHARED = "";

/** `identity`: an address, or a domain. */
export type StoredSender = {
  id: string;
  identity: string;
  tenant: string;
  name: string | null;
  transportOrder: TransportName[];
  challenge: string | null;
  linkExpiresAt: number | null;
  verifiedAt: number | null;
  verifiedBy: Verification | null;
  createdAt: number;
  updatedAt: number;
};

type Row = Omit<StoredSender, "transportOrder"> & { transportOrder: Json<TransportName[]> };

/** What statements answer of a sender: see `firstSender`. */
export const senderColumns = `id, identity, tenant, name, transport_order AS transportOrder,
  challenge, link_expires_at AS linkExpiresAt, verified_at AS verifiedAt,
  verified_by AS verifiedBy, created_at AS createdAt, updated_at AS updatedAt`;

const senderFrom = ({ transportOrder, ...row }: Row): StoredSender => ({
  ...row,
  transportOrder: fromJson(transportOrder),
});

export const firstSender = ({ results }: D1Result): StoredSender | null => {
  const [row] = results as Row[];
  return row === undefined ? null : senderFrom(row);
};

/** SQL: the tenant exists. A deleted account gets no more senders. */
export const tenantExists = (tenant: string): string => `(${tenant} NOT LIKE 'user:%' OR EXISTS (
  SELECT 1 FROM users WHERE user_id = SUBSTR(${tenant}, 6) AND deleted_at IS NULL))`;

type NewSender = Pick<StoredSender, "id" | "identity" | "tenant" | "name" | "transportOrder">;

export type SenderCreated =
  | { tag: "created"; sender: StoredSender }
  | { tag: "no-tenant" }
  /** The tenant has a verified sender of that identity. */
  | { tag: "taken" };

/** A sender of an operator is trusted. It takes the place of one that the tenant left pending. */
export async function insertTrusted(
  db: D1Database,
  { id, identity, tenant, name, transportOrder }: NewSender,
  now: number,
  keyed: KeyedRequest | null = null,
): Promise<SenderCreated> {
  const { insert, known } = await runBatch(db, {
    insert: db
      .prepare(
        `INSERT INTO senders (id, identity, tenant, name, transport_order, verified_at,
           verified_by, created_at, updated_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, 'operator', ?6, ?6 WHERE ${tenantExists("?3")}
         ON CONFLICT (identity, tenant) DO UPDATE SET name = excluded.name,
           transport_order = excluded.transport_order, verified_at = excluded.verified_at,
           verified_by = excluded.verified_by, token_hash = NULL, link_expires_at = NULL,
           updated_at = excluded.updated_at
         WHERE verified_at IS NULL RETURNING ${senderColumns}`,
      )
      .bind(id, identity, tenant, name, toJson(transportOrder), now),
    known: db.prepare(`SELECT ${tenantExists("?1")} AS known`).bind(tenant),
    answered: insertCreated(db, keyed, now, {
      created: `SELECT id FROM senders WHERE identity = ?1 AND tenant = ?2
        AND verified_by = 'operator' AND verified_at = ?3`,
      bound: [identity, tenant, now],
    }),
  });
  const sender = firstSender(insert);
  if (sender !== null) return { tag: "created", sender };
  const [found] = known.results as { known: number }[];
  return { tag: found?.known === 1 ? "taken" : "no-tenant" };
}

/** For a write whose reply was lost. */
export async function findTrusted(
  db: D1Database,
  { identity, tenant }: Pick<StoredSender, "identity" | "tenant">,
  now: number,
): Promise<StoredSender | null> {
  const reply = await db
    .prepare(
      `SELECT ${senderColumns} FROM senders WHERE identity = ?1 AND tenant = ?2
       AND verified_by = 'operator' AND verified_at = ?3`,
    )
    .bind(identity, tenant, now)
    .all();
  return firstSender(reply);
}

/** `tenant`: whose it must be; null for any. */
export type OwnedSender = { id: string; tenant: string | null };

export async function findSender(
  db: D1Database,
  { id, tenant }: OwnedSender,
): Promise<StoredSender | null> {
  const reply = await db
    .prepare(`SELECT ${senderColumns} FROM senders WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)`)
    .bind(id, tenant)
    .all();
  return firstSender(reply);
}

/** One page, newest first. */
export async function findSenders(
  db: D1Database,
  tenant: string | null,
  before: Cursor | null,
  limit: number,
): Promise<StoredSender[]> {
  const { results } = await db
    .prepare(
      `SELECT ${senderColumns} FROM senders
       WHERE ${tenant === null ? "?1 IS NULL" : "tenant = ?1"} AND (created_at, id) < (?2, ?3)
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(tenant, before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit)
    .all<Row>();
  return results.map(senderFrom);
}

/** Null removes a name, and the order of transports. */
export type SenderChanges = {
  name?: string | null | undefined;
  transportOrder?: TransportName[] | null | undefined;
  /** `updatedAt` of the sender that the change is for; null for any. */
  readAt?: number | null;
};

export async function saveSender(
  db: D1Database,
  id: string,
  { name, transportOrder, readAt = null }: SenderChanges,
  now: number,
): Promise<StoredSender | null> {
  const reply = await db
    .prepare(
      `UPDATE senders SET name = iif(?2, ?3, name),
         transport_order = COALESCE(?4, transport_order), updated_at = MAX(?5, updated_at + 1)
       WHERE id = ?1 AND (?6 IS NULL OR updated_at = ?6) RETURNING ${senderColumns}`,
    )
    .bind(
      id,
      name === undefined ? 0 : 1,
      name ?? null,
      transportOrder === undefined ? null : toJson(transportOrder ?? []),
      now,
      readAt,
    )
    .all();
  return firstSender(reply);
}

/** @returns whether it was there */
export async function deleteStoredSender(
  db: D1Database,
  { id, tenant }: OwnedSender,
): Promise<boolean> {
  const { results } = await db
    .prepare("DELETE FROM senders WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2) RETURNING id")
    .bind(id, tenant)
    .all();
  return results.length > 0;
}

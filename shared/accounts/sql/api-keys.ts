import {
  findAnswer,
  insertAnswer,
  type FirstAnswer,
  type KeyedRequest,
} from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import type { Cursor } from "../../http/lists.ts";
import type { NewApiKey } from "../api-key.ts";
import type { KeyScope, OperatorRole } from "../rules/key-scopes.ts";
import { keyTag } from "../rules/keys.ts";
import type { WithPurge } from "./user-purge.ts";
import type { WithNotice } from "./users.ts";

/** SQL of API keys, except the first one of a user, which is in its row of `users`. */

export const MAX_KEYS_OF_OWNER = 100;

/** A key without its hashes. */
export type StoredKey = {
  id: string;
  owner: string;
  name: string;
  prefix: string;
  scopes: KeyScope[];
  role: OperatorRole | null;
  test: boolean;
  createdBy: string;
  previousUntil: number | null;
  expiresAt: number | null;
  lastUsedAt: number | null;
  createdAt: number;
};

type Row = Omit<StoredKey, "scopes" | "test"> & { scopes: string; test: number };

const columns = `id, owner, name, prefix, scopes, role, test, created_by AS createdBy,
  previous_until AS previousUntil, expires_at AS expiresAt, last_used_at AS lastUsedAt,
  created_at AS createdAt`;

const keyFrom = ({ scopes, test, ...row }: Row): StoredKey => ({
  ...row,
  scopes: JSON.parse(scopes) as KeyScope[],
  test: test === 1,
});

const firstOf = ({ results }: D1Result): StoredKey | null => {
  const [row] = results as Row[];
  return row === undefined ? null : keyFrom(row);
};

export type KeyToInsert = Omit<
  StoredKey,
  "previousUntil" | "lastUsedAt" | "createdAt" | "prefix"
> & { secret: NewApiKey };

export type KeyCreated =
  | { tag: "created"; key: StoredKey }
  | { tag: "too-many" }
  | { tag: "no-owner" }
  /** A request with the same Idempotency-Key was answered before. */
  | { tag: "answered"; first: FirstAnswer };

/** SQL: the owner `?1` exists, and has room for one more key. */
const ownerExists = `CASE WHEN ?1 LIKE 'user:%' THEN EXISTS (SELECT 1 FROM users
    WHERE user_id = substr(?1, 6) AND deleted_at IS NULL)
  WHEN ?1 LIKE 'team:%' THEN EXISTS (SELECT 1 FROM teams WHERE team_id = substr(?1, 6))
  ELSE TRUE END`;

const selectOwner = (db: D1Database, owner: string): D1PreparedStatement =>
  db.prepare(`SELECT ${ownerExists} AS isThere`).bind(owner);
const isThere = ({ results }: D1Result): boolean =>
  (results as { isThere: number }[])[0]?.isThere === 1;

const hasRoom = `(SELECT COUNT(*) FROM api_keys WHERE owner = ?1) < ?2`;

/** @param keyed its Idempotency-Key: the answer that is kept is the id, never the key */
export async function insertKey(
  db: D1Database,
  { secret, ...key }: KeyToInsert,
  keyed: KeyedRequest | null,
  { now, notice }: { now: number } & WithNotice,
): Promise<KeyCreated> {
  const limit = [key.owner, MAX_KEYS_OF_OWNER] as const;
  const condition = `${ownerExists} AND ${hasRoom}`;
  const answer = { answer: "json_object('id', ?3)", condition, bound: [...limit, key.id] };
  try {
    const replies = await runBatch(db, {
      answered: keyed === null ? [] : insertAnswer(db, keyed, now, answer),
      notice,
      insert: db
        .prepare(
          `INSERT INTO api_keys (id, owner, name, prefix, hash, scopes, role, test, created_by,
             expires_at, created_at, updated_at)
           SELECT ?3, ?1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12 WHERE ${condition}
           RETURNING ${columns}`,
        )
        .bind(
          ...limit,
          key.id,
          key.name,
          secret.prefix,
          secret.hash,
          JSON.stringify(key.scopes),
          key.role,
          key.test ? 1 : 0,
          key.createdBy,
          key.expiresAt,
          now,
        ),
      owner: selectOwner(db, key.owner),
    });
    const created = firstOf(replies.insert);
    if (created !== null) return { tag: "created", key: created };
    return { tag: isThere(replies.owner) ? "too-many" : "no-owner" };
  } catch (error) {
    const first = keyed === null ? null : await findAnswer(db, keyed, now);
    if (first === null) throw error;
    return { tag: "answered", first };
  }
}

export type OwnedKey = { id: string; owner: string };

export async function findKey(db: D1Database, { id, owner }: OwnedKey): Promise<StoredKey | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM api_keys WHERE id = ?1 AND owner = ?2`)
    .bind(id, owner)
    .first<Row>();
  return row === null ? null : keyFrom(row);
}

/** The key that has this hash now, for a write whose reply was lost. */
export async function findKeyByHash(db: D1Database, hash: string): Promise<StoredKey | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM api_keys WHERE hash = ?1`)
    .bind(hash)
    .first<Row>();
  return row === null ? null : keyFrom(row);
}

/** One page of an owner's keys, newest first. Null: no such owner. */
export async function findKeys(
  db: D1Database,
  owner: string,
  before: Cursor | null,
  limit: number,
): Promise<StoredKey[] | null> {
  const found = await runBatch(db, {
    keys: db
      .prepare(
        `SELECT ${columns} FROM api_keys WHERE owner = ?1 AND (created_at, id) < (?2, ?3)
         ORDER BY created_at DESC, id DESC LIMIT ?4`,
      )
      .bind(owner, before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit),
    owner: selectOwner(db, owner),
  });
  return isThere(found.owner) ? (found.keys.results as Row[]).map(keyFrom) : null;
}

/** Purges what the cache has of a key, if the key is there. */
function insertKeyPurge(
  db: D1Database,
  { id, owner }: OwnedKey,
  { purgeId, now }: WithPurge,
): D1PreparedStatement {
  return db
    .prepare(
      insertPurgeSql({
        id: "?1",
        tags: "json_array(?2)",
        createdAt: "?3",
        from: "FROM api_keys WHERE id = ?4 AND owner = ?5",
      }),
    )
    .bind(purgeId, keyTag(id), now, id, owner);
}

/** @param overlapMs for how long the key before works too */
export async function rotateKey(
  db: D1Database,
  owned: OwnedKey,
  { secret, overlapMs }: { secret: NewApiKey; overlapMs: number },
  { purgeId, now, notice }: WithPurge & WithNotice,
): Promise<{ key: StoredKey | null; notified: boolean }> {
  const replies = await runBatch(db, {
    notice,
    purge: insertKeyPurge(db, owned, { purgeId, now }),
    rotate: db
      .prepare(
        `UPDATE api_keys SET previous_hash = iif(?5 > ?4, hash, NULL),
           previous_until = iif(?5 > ?4, ?5, NULL), hash = ?3, prefix = ?6, updated_at = ?4
         WHERE id = ?1 AND owner = ?2 RETURNING ${columns}`,
      )
      .bind(owned.id, owned.owner, secret.hash, now, now + overlapMs, secret.prefix),
  });
  return { key: firstOf(replies.rotate), notified: isAccepted(replies.notice) };
}

const isAccepted = ([inserted]: readonly D1Result[]): boolean => (inserted?.meta.changes ?? 0) > 0;

/** Revokes a key: it is deleted. @returns whether it was there */
export async function deleteKey(
  db: D1Database,
  { id, owner }: OwnedKey,
  { purgeId, now, notice }: WithPurge & WithNotice,
): Promise<{ wasThere: boolean; notified: boolean }> {
  const replies = await runBatch(db, {
    notice,
    purge: insertKeyPurge(db, { id, owner }, { purgeId, now }),
    remove: db
      .prepare("DELETE FROM api_keys WHERE id = ?1 AND owner = ?2 RETURNING id")
      .bind(id, owner),
  });
  return { wasThere: replies.remove.results.length > 0, notified: isAccepted(replies.notice) };
}

/** The precision of `last_used_at`. A write per request would cost more than the request. */
export const USED_PRECISION_MS = 600_000;

/** Records that a key was used, unless the stored time is within the precision. */
export async function noteUsed(db: D1Database, id: string, now: number): Promise<void> {
  await db
    .prepare(
      `UPDATE api_keys SET last_used_at = ?2
       WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at <= ?2 - ?3)`,
    )
    .bind(id, now, USED_PRECISION_MS)
    .run();
}

/** Keys that expired before a time. */
export const expiredKeys: ExpiringRows = {
  table: "api_keys",
  key: "id",
  isOver: "expires_at <= ?1",
};

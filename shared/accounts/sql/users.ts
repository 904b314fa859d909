import type { Cursor } from "../../http/lists.ts";
import type { NewApiKey } from "../api-key.ts";
import { apiKeyKey, emailKey } from "../rules/keys.ts";
import type { NewUser, Scope, AccountTier, User, UserChanges } from "../rules/schemas.ts";
import { trialEnd } from "../rules/trials.ts";
import { insertUserPurge, type WithPurge } from "./user-purge.ts";

/** SQL of users, except their related reads and their deletion. */

/** Created at zero for every user, so that reports show zeros instead of gaps. */
const INITIAL_METRICS = ["apiRequests", "emailsSent", "storageBytes"];

/**
 * The statements of a sign-up: user, usage metrics and subscription, which starts with a trial if
 * the tier has one. To be run in one batch.
 */
export function insertUser(
  db: D1Database,
  user: NewUser,
  key: NewApiKey,
  now: number,
): D1PreparedStatement[] {
  const trialEndsAt = trialEnd(user.tier, now);
  return [
    db
      .prepare(
        `INSERT INTO users
           (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)`,
      )
      .bind(user.userId, user.email, user.tier, key.hash, key.prefix, now),
    db
      .prepare(
        `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
         SELECT ?1, value, 0, ?3 FROM json_each(?2)`,
      )
      .bind(user.userId, JSON.stringify(INITIAL_METRICS), now),
    db
      .prepare(
        `INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at)
         VALUES (?1, ?2, ?3, ?4)`,
      )
      .bind(user.userId, trialEndsAt === null ? "active" : "trialing", now, trialEndsAt),
  ];
}

export type UserRow = {
  userId: string;
  email: string;
  tier: AccountTier;
  scopes: string;
  apiKeyPrefix: string | null;
  createdAt: number;
  updatedAt: number;
};

const columns = `user_id AS userId, email, tier, scopes, api_key_prefix AS apiKeyPrefix,
  created_at AS createdAt, updated_at AS updatedAt`;

export type UserLookup = { by: "userId" | "email" | "apiKeyHash"; value: string };

const lookupColumn = { userId: "user_id", email: "email", apiKeyHash: "api_key_hash" } as const;

export async function findUser(db: D1Database, { by, value }: UserLookup): Promise<User | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM users WHERE ${lookupColumn[by]} = ?1 AND deleted_at IS NULL`)
    .bind(value)
    .first<UserRow>();
  return row === null ? null : userView(row);
}

/** Selects a user by id, for a batch. `userView` converts the row for the API. */
export function selectUser(db: D1Database, id: string): D1PreparedStatement {
  return db
    .prepare(`SELECT ${columns} FROM users WHERE user_id = ?1 AND deleted_at IS NULL`)
    .bind(id);
}

/**
 * Changes a user. A given tier ends a trial and activates the subscription, even if it is the tier
 * that the user has.
 */
export async function updateUser(
  db: D1Database,
  id: string,
  changes: UserChanges,
  { intentId, now }: WithPurge,
): Promise<User | null> {
  const update = db
    .prepare(
      `UPDATE users SET email = COALESCE(?2, email), tier = COALESCE(?3, tier),
         scopes = COALESCE(?4, scopes), updated_at = ?5
       WHERE user_id = ?1 AND deleted_at IS NULL RETURNING ${columns}`,
    )
    .bind(
      id,
      changes.email ?? null,
      changes.tier ?? null,
      changes.scopes === undefined ? null : JSON.stringify(changes.scopes),
      now,
    );
  const newNames = changes.email === undefined ? [] : [emailKey(changes.email)];
  const subscribe = changes.tier === undefined ? [] : [activateSubscription(db, id, now)];
  const [, updated] = await db.batch<UserRow>([
    insertUserPurge(db, { userId: id, newNames }, { intentId, now }),
    update,
    ...subscribe,
  ]);
  const row = updated?.results[0];
  return row === undefined ? null : userView(row);
}

function activateSubscription(db: D1Database, userId: string, now: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE subscriptions SET started_at = IIF(status = 'cancelled', ?2, started_at),
         status = 'active', trial_ends_at = NULL, ended_at = NULL
       WHERE user_id = ?1
         AND EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL)`,
    )
    .bind(userId, now);
}

/** Replaces a user's API key. The old key is refused from then on. */
export async function replaceApiKey(
  db: D1Database,
  id: string,
  key: NewApiKey,
  { intentId, now }: WithPurge,
): Promise<User | null> {
  const update = db
    .prepare(
      `UPDATE users SET api_key_hash = ?2, api_key_prefix = ?3, updated_at = ?4
       WHERE user_id = ?1 AND deleted_at IS NULL RETURNING ${columns}`,
    )
    .bind(id, key.hash, key.prefix, now);
  const [, updated] = await db.batch<UserRow>([
    insertUserPurge(db, { userId: id, newNames: [apiKeyKey(key.hash)] }, { intentId, now }),
    update,
  ]);
  const row = updated?.results[0];
  return row === undefined ? null : userView(row);
}

/** Revokes a user's key, which is refused from then on. @returns whether there is such a user */
export async function revokeApiKey(
  db: D1Database,
  id: string,
  { intentId, now }: WithPurge,
): Promise<boolean> {
  const update = db
    .prepare(
      `UPDATE users SET api_key_hash = NULL, api_key_prefix = NULL, updated_at = ?2
       WHERE user_id = ?1 AND deleted_at IS NULL`,
    )
    .bind(id, now);
  const [, revoked] = await db.batch([
    insertUserPurge(db, { userId: id }, { intentId, now }),
    update,
  ]);
  return (revoked?.meta.changes ?? 0) > 0;
}

/** The other identifiers of a user. */
export async function findNames(
  db: D1Database,
  id: string,
): Promise<{ email: string; apiKeyHash: string | null } | null> {
  return await db
    .prepare(
      `SELECT email, api_key_hash AS apiKeyHash FROM users
       WHERE user_id = ?1 AND deleted_at IS NULL`,
    )
    .bind(id)
    .first<{ email: string; apiKeyHash: string | null }>();
}

/** One page of users, newest first. `before`: the last user of the previous page. */
export async function listUsers(
  db: D1Database,
  before: Cursor | null,
  limit: number,
): Promise<{ id: string; at: number; user: User }[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM users WHERE deleted_at IS NULL AND (created_at, user_id) < (?1, ?2)
       ORDER BY created_at DESC, user_id DESC LIMIT ?3`,
    )
    .bind(before?.at ?? Number.MAX_SAFE_INTEGER, before?.id ?? "", limit)
    .all<UserRow>();
  return results.map((row) => ({ id: row.userId, at: row.createdAt, user: userView(row) }));
}

export function userView(row: UserRow): User {
  return {
    userId: row.userId,
    email: row.email,
    tier: row.tier,
    scopes: JSON.parse(row.scopes) as Scope[],
    apiKeyPrefix: row.apiKeyPrefix,
    createdAt: new Date(row.createdAt).toISOString(),
    updatedAt: new Date(row.updatedAt).toISOString(),
  };
}

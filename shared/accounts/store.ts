import type { NewApiKey } from "./api-key.ts";
import type { NewUser, Scope, Tier, User, UserChanges } from "./schemas.ts";

/** SQL of accounts. */

/** Counted for every user from the first day, so that a report shows zeros instead of gaps. */
const INITIAL_METRICS = ["apiRequests", "emailsSent", "storageBytes"];

/** The three statements of a sign-up: user, usage metrics, subscription. For one batch, so that all stand or none does. */
export function insertUser(db: D1Database, user: NewUser, key: NewApiKey, now: number): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `INSERT INTO users (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)`,
      )
      .bind(user.userId, user.email, user.tier, key.hash, key.prefix, now),
    db
      .prepare("INSERT INTO usage_metrics (user_id, metric, amount, updated_at) SELECT ?1, value, 0, ?3 FROM json_each(?2)")
      .bind(user.userId, JSON.stringify(INITIAL_METRICS), now),
    db.prepare("INSERT INTO subscriptions (user_id, status, started_at) VALUES (?1, 'active', ?2)").bind(user.userId, now),
  ];
}

type UserRow = {
  userId: string;
  email: string;
  tier: Tier;
  scopes: string;
  apiKeyPrefix: string;
  createdAt: number;
  updatedAt: number;
};

const columns = `user_id AS userId, email, tier, scopes, api_key_prefix AS apiKeyPrefix, created_at AS createdAt, updated_at AS updatedAt`;

export type UserLookup = { by: "userId" | "email" | "apiKeyHash"; value: string };

const lookupColumn = { userId: "user_id", email: "email", apiKeyHash: "api_key_hash" } as const;

export async function findUser(db: D1Database, { by, value }: UserLookup): Promise<User | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM users WHERE ${lookupColumn[by]} = ?1 AND deleted_at IS NULL`)
    .bind(value)
    .first<UserRow>();
  return row === null ? null : userView(row);
}

/** Changes a user. */
export async function updateUser(db: D1Database, id: string, changes: UserChanges, now: number): Promise<User | null> {
  const row = await db
    .prepare(
      `UPDATE users SET email = COALESCE(?2, email), tier = COALESCE(?3, tier), scopes = COALESCE(?4, scopes), updated_at = ?5
       WHERE user_id = ?1 AND deleted_at IS NULL RETURNING ${columns}`,
    )
    .bind(id, changes.email ?? null, changes.tier ?? null, changes.scopes === undefined ? null : JSON.stringify(changes.scopes), now)
    .first<UserRow>();
  return row === null ? null : userView(row);
}

/** Replaces a user's API key; the old one is refused from now on. */
export async function replaceApiKey(db: D1Database, id: string, key: NewApiKey, now: number): Promise<User | null> {
  const row = await db
    .prepare(
      `UPDATE users SET api_key_hash = ?2, api_key_prefix = ?3, updated_at = ?4 WHERE user_id = ?1 AND deleted_at IS NULL RETURNING ${columns}`,
    )
    .bind(id, key.hash, key.prefix, now)
    .first<UserRow>();
  return row === null ? null : userView(row);
}

/**
 * Deletes a user: the address and the key are erased, the subscription ends, the id stays taken, so that nobody inherits
 * what still refers to it.
 *
 * @returns whether there was such a user
 */
export async function deleteUser(db: D1Database, id: string, now: number): Promise<boolean> {
  const [, deleted] = await db.batch([
    db
      .prepare(
        `UPDATE subscriptions SET status = 'cancelled', ended_at = ?2
         WHERE user_id = ?1 AND EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL)`,
      )
      .bind(id, now),
    db
      .prepare(
        `UPDATE users SET email = NULL, api_key_hash = NULL, api_key_prefix = NULL, scopes = '[]', deleted_at = ?2, updated_at = ?2
         WHERE user_id = ?1 AND deleted_at IS NULL`,
      )
      .bind(id, now),
  ]);
  return (deleted?.meta.changes ?? 0) > 0;
}

/** When a user was deleted: null if they are not, undefined if there never was one. */
export async function findDeletion(db: D1Database, id: string): Promise<number | null | undefined> {
  const row = await db
    .prepare("SELECT deleted_at AS deletedAt FROM users WHERE user_id = ?1")
    .bind(id)
    .first<{ deletedAt: number | null }>();
  return row?.deletedAt;
}

function userView(row: UserRow): User {
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

/** The API's field behind a UNIQUE constraint that a write broke, or null if that is not why it failed. */
export function takenField(error: unknown): "userId" | "email" | null {
  if (!(error instanceof Error)) return null;
  if (error.message.includes("UNIQUE constraint failed: users.user_id")) return "userId";
  if (error.message.includes("UNIQUE constraint failed: users.email")) return "email";
  return null;
}

import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import type { Cursor } from "../../http/lists.ts";
import type { NewApiKey } from "../api-key.ts";
import { apiKeyKey, emailKey, userKey } from "../rules/keys.ts";
import type { NewUser, Scope, Tier, User, UserChanges } from "../rules/schemas.ts";
import { trialEnd } from "../rules/trials.ts";

/**
 * SQL of accounts. What is read of a user besides the user: `related/store.ts`; deletion:
 * `deletion/store.ts`.
 */

/** Counted for every user from the first day, so that a report shows zeros instead of gaps. */
const INITIAL_METRICS = ["apiRequests", "emailsSent", "storageBytes"];

/**
 * The three statements of a sign-up: user, usage metrics, subscription, which begins with a trial
 * where the tier has one. For one batch, so that all stand or none does.
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
        `INSERT INTO users (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)`,
      )
      .bind(user.userId, user.email, user.tier, key.hash, key.prefix, now),
    db
      .prepare(
        "INSERT INTO usage_metrics (user_id, metric, amount, updated_at) SELECT ?1, value, 0, ?3 FROM json_each(?2)",
      )
      .bind(user.userId, JSON.stringify(INITIAL_METRICS), now),
    db
      .prepare(
        "INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at) VALUES (?1, ?2, ?3, ?4)",
      )
      .bind(user.userId, trialEndsAt === null ? "active" : "trialing", now, trialEndsAt),
  ];
}

export type UserRow = {
  userId: string;
  email: string;
  tier: Tier;
  scopes: string;
  apiKeyPrefix: string | null;
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

/** A user by id, for a batch: `userView` says what its row is to the API. */
export function selectUser(db: D1Database, id: string): D1PreparedStatement {
  return db
    .prepare(`SELECT ${columns} FROM users WHERE user_id = ?1 AND deleted_at IS NULL`)
    .bind(id);
}

/**
 * The purge that a write to a user owes the cache, for its batch and before its other statements:
 * it names what the user was called until then, so that it misses nothing whatever is written at
 * the same time. Without such a user there is none.
 *
 * @param newNames tags of what the user is called from now on
 * @param onlyIf a condition of SQL that the write has too, where `?2` is the user
 */
export function intendPurge(
  db: D1Database,
  intentId: string,
  userId: string,
  newNames: readonly string[],
  now: number,
  onlyIf = "TRUE",
): D1PreparedStatement {
  return db
    .prepare(
      insertPurgeSql({
        id: "?1",
        tags: `(SELECT json_group_array(value) FROM (
          SELECT value
          FROM json_each(json_array(?4 || user_id, ?5 || email, ?6 || api_key_hash))
          WHERE value IS NOT NULL
          UNION SELECT value FROM json_each(?3)))`,
        createdAt: "?7",
        from: `FROM users WHERE user_id = ?2 AND deleted_at IS NULL AND ${onlyIf}`,
      }),
    )
    .bind(
      intentId,
      userId,
      JSON.stringify(newNames),
      userKey(""),
      emailKey(""),
      apiKeyKey(""),
      now,
    );
}

/**
 * Changes a user. Whoever names a tier means it for good: the subscription is active from then on,
 * and a trial over. To name the tier that the user has converts their trial.
 */
export async function updateUser(
  db: D1Database,
  id: string,
  changes: UserChanges,
  intentId: string,
  now: number,
): Promise<User | null> {
  const update = db
    .prepare(
      `UPDATE users SET email = COALESCE(?2, email), tier = COALESCE(?3, tier), scopes = COALESCE(?4, scopes), updated_at = ?5
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
    intendPurge(db, intentId, id, newNames, now),
    update,
    ...subscribe,
  ]);
  const row = updated?.results[0];
  return row === undefined ? null : userView(row);
}

function activateSubscription(db: D1Database, userId: string, now: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE subscriptions SET started_at = IIF(status = 'cancelled', ?2, started_at), status = 'active', trial_ends_at = NULL, ended_at = NULL
       WHERE user_id = ?1 AND EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL)`,
    )
    .bind(userId, now);
}

/** Replaces a user's API key; the old one is refused from now on. */
export async function replaceApiKey(
  db: D1Database,
  id: string,
  key: NewApiKey,
  intentId: string,
  now: number,
): Promise<User | null> {
  const update = db
    .prepare(
      `UPDATE users SET api_key_hash = ?2, api_key_prefix = ?3, updated_at = ?4 WHERE user_id = ?1 AND deleted_at IS NULL RETURNING ${columns}`,
    )
    .bind(id, key.hash, key.prefix, now);
  const [, updated] = await db.batch<UserRow>([
    intendPurge(db, intentId, id, [apiKeyKey(key.hash)], now),
    update,
  ]);
  const row = updated?.results[0];
  return row === undefined ? null : userView(row);
}

/** Takes a user's key away: it is refused from now on. @returns whether there is such a user */
export async function revokeApiKey(
  db: D1Database,
  id: string,
  intentId: string,
  now: number,
): Promise<boolean> {
  const update = db
    .prepare(
      "UPDATE users SET api_key_hash = NULL, api_key_prefix = NULL, updated_at = ?2 WHERE user_id = ?1 AND deleted_at IS NULL",
    )
    .bind(id, now);
  const [, revoked] = await db.batch([intendPurge(db, intentId, id, [], now), update]);
  return (revoked?.meta.changes ?? 0) > 0;
}

/** What else a user is known by. */
export async function findNames(
  db: D1Database,
  id: string,
): Promise<{ email: string; apiKeyHash: string | null } | null> {
  return await db
    .prepare(
      "SELECT email, api_key_hash AS apiKeyHash FROM users WHERE user_id = ?1 AND deleted_at IS NULL",
    )
    .bind(id)
    .first<{ email: string; apiKeyHash: string | null }>();
}

/** One page of users, newest first. `before`: the page begins after this one. */
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

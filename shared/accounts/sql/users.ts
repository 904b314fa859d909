import { runBatch } from "../../database/batch.ts";
import { insertTenantEnd } from "../../email/sql/ended-tenants.ts";
import type { NewApiKey } from "../api-key.ts";
import { apiKeyKey, emailKey, tenantOfUser } from "../rules/keys.ts";
import type { Metadata } from "../rules/metadata.ts";
import type { NewUser, Scope, AccountTier, User, UserChanges } from "../rules/schemas.ts";
import type { FirstSubscription } from "../rules/trials.ts";
import { insertUserPurge, type WithPurge } from "./user-purge.ts";

/** SQL of users, except their related reads and their deletion. */

/** What Luna itself counts. Created at zero for every user. */
const INITIAL_METRICS = ["emailsSent"];

/** The statements of a sign-up: user, usage metrics and subscription. To be run in one batch. */
export function insertUser(
  db: D1Database,
  { subscription, ...user }: Omit<NewUser, "tier"> & { subscription: FirstSubscription },
  key: NewApiKey,
  now: number,
): D1PreparedStatement[] {
  const { status, tier, trialEndsAt } = subscription;
  const metadata = user.metadata === undefined ? null : JSON.stringify(user.metadata);
  return [
    db
      .prepare(
        `INSERT INTO users
           (user_id, email, tier, api_key_hash, api_key_prefix, metadata, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)`,
      )
      .bind(user.userId, user.email, tier, key.hash, key.prefix, metadata, now),
    db
      .prepare(
        `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
         SELECT ?1, value, 0, ?3 FROM json_each(?2)`,
      )
      .bind(user.userId, JSON.stringify(INITIAL_METRICS), now),
    db
      .prepare(
        `INSERT INTO subscriptions (user_id, status, started_at, trial_ends_at, ended_at)
         VALUES (?1, ?2, ?3, ?4, ?5)`,
      )
      .bind(user.userId, status, now, trialEndsAt, status === "cancelled" ? now : null),
  ];
}

export type UserRow = {
  userId: string;
  email: string;
  tier: AccountTier;
  scopes: string;
  apiKeyPrefix: string | null;
  metadata: string | null;
  suspendedAt: number | null;
  suspendedReason: string | null;
  createdAt: number;
  updatedAt: number;
};

export const userColumns = `user_id AS userId, email, tier, scopes, api_key_prefix AS apiKeyPrefix,
  metadata, suspended_at AS suspendedAt, suspended_reason AS suspendedReason,
  created_at AS createdAt, updated_at AS updatedAt`;

export type UserLookup = { by: "userId" | "email" | "apiKeyHash"; value: string };

export const lookupColumn = {
  userId: "user_id",
  email: "email",
  apiKeyHash: "api_key_hash",
} as const;

export async function findUserBy(db: D1Database, { by, value }: UserLookup): Promise<User | null> {
  const row = await db
    .prepare(
      `SELECT ${userColumns} FROM users WHERE ${lookupColumn[by]} = ?1 AND deleted_at IS NULL`,
    )
    .bind(value)
    .first<UserRow>();
  return row === null ? null : userFrom(row);
}

/** Selects a user by id, for a batch. `userFrom` converts the row for the API. */
export function selectUser(db: D1Database, id: string): D1PreparedStatement {
  return db
    .prepare(`SELECT ${userColumns} FROM users WHERE user_id = ?1 AND deleted_at IS NULL`)
    .bind(id);
}

/** For the batch of a write: its notice, before the other statements. */
export type WithNotice = { notice: readonly D1PreparedStatement[] };

/** SQL over `users`: nobody has changed the user since; NULL asks for nothing. */
const isAsRead = (readAt: string): string => `(${readAt} IS NULL OR updated_at = ${readAt})`;

const jsonOrNull = (value: object | null): string | null =>
  value === null ? null : JSON.stringify(value);

const isNotified = ([inserted]: readonly D1Result[]): boolean => (inserted?.meta.changes ?? 0) > 0;

/**
 * Changes a user. A given tier ends a trial and activates the subscription, even if it is the tier
 * that the user has. A given address ends a request for another one.
 *
 * @param readAt `updatedAt` of the user that the change is for; null for any
 * @returns the user, and whether the notice was accepted
 */
export async function saveUser(
  db: D1Database,
  id: string,
  changes: UserChanges,
  { purgeId, now, notice, readAt = null }: WithPurge & WithNotice & { readAt?: number | null },
): Promise<{ user: User | null; notified: boolean }> {
  const update = db
    .prepare(
      `UPDATE users SET email = COALESCE(?2, email), tier = COALESCE(?3, tier),
         scopes = COALESCE(?4, scopes), metadata = iif(?6, ?7, metadata),
         updated_at = MAX(?5, updated_at + 1)
       WHERE user_id = ?1 AND deleted_at IS NULL AND ${isAsRead("?8")} RETURNING ${userColumns}`,
    )
    .bind(
      id,
      changes.email ?? null,
      changes.tier ?? null,
      changes.scopes === undefined ? null : JSON.stringify(changes.scopes),
      now,
      changes.metadata === undefined ? 0 : 1,
      typeof changes.metadata === "object" ? jsonOrNull(changes.metadata) : null,
      readAt,
    );
  const newNames = changes.email === undefined ? [] : [emailKey(changes.email)];
  const replies = await runBatch(db, {
    notice,
    purge: insertUserPurge(db, { userId: id, newNames }, { purgeId, now }),
    update,
    subscribe: changes.tier === undefined ? [] : [activateSubscription(db, id, now)],
    withdraw: changes.email === undefined ? [] : [withdrawAddressRequest(db, id)],
  });
  const [row] = replies.update.results as UserRow[];
  return {
    user: row === undefined ? null : userFrom(row),
    notified: isNotified(replies.notice),
  };
}

/** A statement that makes the link of a user's open request invalid. The request still counts. */
export function withdrawAddressRequest(db: D1Database, userId: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE address_changes SET token_hash = NULL
       WHERE user_id = ?1 AND confirmed_at IS NULL AND token_hash IS NOT NULL`,
    )
    .bind(userId);
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

/**
 * Replaces a user's API key, if it is still the one with this prefix (null: the user has none). The
 * old key is refused from then on.
 *
 * @returns null if there is no such user, or the key is another one by now
 */
export async function replaceApiKey(
  db: D1Database,
  id: string,
  { key, replacedPrefix }: { key: NewApiKey; replacedPrefix: string | null },
  { purgeId, now, notice }: WithPurge & WithNotice,
): Promise<User | null> {
  const update = db
    .prepare(
      `UPDATE users SET api_key_hash = ?2, api_key_prefix = ?3, updated_at = ?4
       WHERE user_id = ?1 AND deleted_at IS NULL AND api_key_prefix IS ?5 RETURNING ${userColumns}`,
    )
    .bind(id, key.hash, key.prefix, now, replacedPrefix);
  const replies = await runBatch(db, {
    notice,
    purge: insertUserPurge(db, { userId: id, newNames: [apiKeyKey(key.hash)] }, { purgeId, now }),
    update,
    withdraw: withdrawAddressRequest(db, id),
  });
  const [row] = replies.update.results as UserRow[];
  return row === undefined ? null : userFrom(row);
}

/** Whether there is such a user, and whether the notice was accepted. */
type Revocation = { isThere: boolean; notified: boolean };

/** Revokes a user's key, which is refused from then on. */
export async function deleteApiKey(
  db: D1Database,
  id: string,
  { purgeId, now, notice, cancelUnsent }: WithPurge & WithNotice & { cancelUnsent: boolean },
): Promise<Revocation> {
  const update = db
    .prepare(
      `UPDATE users SET api_key_hash = NULL, api_key_prefix = NULL, updated_at = ?2
       WHERE user_id = ?1 AND deleted_at IS NULL`,
    )
    .bind(id, now);
  const replies = await runBatch(db, {
    notice,
    purge: insertUserPurge(db, { userId: id }, { purgeId, now }),
    update,
    withdraw: withdrawAddressRequest(db, id),
    end: cancelUnsent
      ? [
          insertTenantEnd(
            db,
            { tenant: tenantOfUser(id), until: now, now },
            { from: "users WHERE user_id = ?4 AND deleted_at IS NULL", values: [id] },
          ),
        ]
      : [],
  });
  return { isThere: replies.update.meta.changes > 0, notified: isNotified(replies.notice) };
}

/**
 * For a revocation whose reply was lost. The sweeper notifies the consumer of its notice.
 *
 * @returns null if it was not written
 */
export async function findRevocation(
  db: D1Database,
  id: string,
  { now, cancelUnsent }: { now: number; cancelUnsent: boolean },
): Promise<Revocation | null> {
  const row = await db
    .prepare(
      `SELECT api_key_hash IS NULL AS revoked,
              EXISTS (SELECT 1 FROM ended_tenants WHERE tenant = ?2 AND ended_at >= ?3) AS ended
       FROM users WHERE user_id = ?1 AND deleted_at IS NULL`,
    )
    .bind(id, tenantOfUser(id), now)
    .first<{ revoked: number; ended: number }>();
  if (row === null) return { isThere: false, notified: false };
  // The key may have been revoked before, without the emails.
  const isWritten = row.revoked === 1 && (!cancelUnsent || row.ended === 1);
  return isWritten ? { isThere: true, notified: false } : null;
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

export function userFrom(row: UserRow): User {
  return {
    userId: row.userId,
    email: row.email,
    tier: row.tier,
    scopes: JSON.parse(row.scopes) as Scope[],
    apiKeyPrefix: row.apiKeyPrefix,
    ...(row.metadata !== null && { metadata: JSON.parse(row.metadata) as Metadata }),
    ...(row.suspendedAt !== null && {
      suspended: {
        at: new Date(row.suspendedAt).toISOString(),
        reason: row.suspendedReason ?? "",
      },
    }),
    createdAt: new Date(row.createdAt).toISOString(),
    updatedAt: new Date(row.updatedAt).toISOString(),
  };
}

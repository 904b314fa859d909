import { hmacSha256 } from "../../lib/base/hash.ts";

/**
 * SQL of addresses that had a trial. They outlive their accounts as keyed hashes, so that a new
 * account with the address of a deleted one has no second trial.
 */

const keys = new WeakMap<D1Database, string>();

/** The hash of an address under this database's own key. */
export async function trialHash(db: D1Database, email: string): Promise<string> {
  const key =
    keys.get(db) ??
    (await db.prepare("SELECT key FROM hash_keys WHERE name = 'trials'").first<string>("key"));
  if (key === null) throw new Error("the database has no key for trials");
  keys.set(db, key);
  return await hmacSha256(key, email.toLowerCase());
}

export async function hadTrial(db: D1Database, addressHash: string): Promise<boolean> {
  const row = await db
    .prepare("SELECT 1 FROM trial_addresses WHERE address_hash = ?1")
    .bind(addressHash)
    .first();
  return row !== null;
}

/** Records a trial, for the batch of a sign-up. */
export function insertTrial(db: D1Database, addressHash: string, now: number): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO trial_addresses (address_hash, started_at) VALUES (?1, ?2)
       ON CONFLICT (address_hash) DO NOTHING`,
    )
    .bind(addressHash, now);
}

/**
 * Records the present address of a user who has or had a trial: it may have changed since the
 * sign-up, or be older than this table. For any other user it does nothing.
 */
export async function keepTrialOf(db: D1Database, userId: string, now: number): Promise<void> {
  const email = await db
    .prepare(
      `SELECT u.email FROM users u JOIN subscriptions s ON s.user_id = u.user_id
       WHERE u.user_id = ?1 AND u.deleted_at IS NULL
         AND (u.tier <> 'free' OR s.trial_ends_at IS NOT NULL)`,
    )
    .bind(userId)
    .first<string>("email");
  if (email !== null) await insertTrial(db, await trialHash(db, email), now).run();
}

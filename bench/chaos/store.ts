import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

/** SQL on the local D1's own file, while nothing runs. */

export const userName = (n: number): string => `user-${n}`;
/** Of the user with this name. Luna has no more than its hash. */
export const apiKeyOf = (userId: string): string => `luna_key-of-${userId}`;

/** Users as a sign-up leaves them, without their welcome mails. */
export function insertUsers(db: DatabaseSync, count: number): void {
  const now = Date.now();
  db.exec("BEGIN");
  const user = db.prepare(
    "INSERT INTO users (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at) VALUES (?, ?, 'pro', ?, 'luna_key', ?, ?)",
  );
  const metric = db.prepare(
    "INSERT INTO usage_metrics (user_id, metric, amount, updated_at) VALUES (?, 'api_calls', 0, ?)",
  );
  const subscription = db.prepare(
    "INSERT INTO subscriptions (user_id, status, started_at) VALUES (?, 'active', ?)",
  );
  for (let n = 0; n < count; n += 1) {
    const hash = createHash("sha256")
      .update(apiKeyOf(userName(n)))
      .digest("hex");
    user.run(userName(n), `${userName(n)}@example.com`, hash, now, now);
    metric.run(userName(n), now);
    subscription.run(userName(n), now);
  }
  db.exec("COMMIT");
}

/**
 * How much of a sign-up there is: 0 for nothing, 4 for user, usage, subscription and welcome mail.
 */
export function partsOfSignUp(db: DatabaseSync, userId: string, address: string): number {
  const row = db
    .prepare(
      `SELECT EXISTS (SELECT 1 FROM users WHERE user_id = ?1) + EXISTS (SELECT 1 FROM usage_metrics WHERE user_id = ?1)
            + EXISTS (SELECT 1 FROM subscriptions WHERE user_id = ?1) + EXISTS (SELECT 1 FROM emails WHERE to_address = ?2) AS parts`,
    )
    .get(userId, address) as { parts: number };
  return row.parts;
}

export function usageOf(db: DatabaseSync, userId: string, metric: string): number {
  const row = db
    .prepare("SELECT amount FROM usage_metrics WHERE user_id = ? AND metric = ?")
    .get(userId, metric) as { amount: number } | undefined;
  return row?.amount ?? 0;
}

export function mailsByStatus(db: DatabaseSync): Record<string, number> {
  const rows = db.prepare("SELECT status, COUNT(*) AS mails FROM emails GROUP BY status").all() as {
    status: string;
    mails: number;
  }[];
  return Object.fromEntries(rows.map(({ status, mails }) => [status, mails]));
}

export function runsByStatus(db: DatabaseSync): Record<string, number> {
  const rows = db
    .prepare("SELECT status, COUNT(*) AS runs FROM task_runs GROUP BY status")
    .all() as { status: string; runs: number }[];
  return Object.fromEntries(rows.map(({ status, runs }) => [status, runs]));
}

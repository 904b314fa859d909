import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

/** SQL on the local D1's own file, while nothing runs. */

/** Usage that only the users of this harness count. */
export const METRIC = "chaos";

export const userName = (n: number): string => `user-${n}`;
/** Luna stores only its hash. */
export const apiKeyOf = (userId: string): string => `luna_key-of-${userId}`;

/** Users as a sign-up leaves them, without their welcome emails. */
export function insertUsers(db: DatabaseSync, count: number): void {
  const now = Date.now();
  db.exec("BEGIN");
  const user = db.prepare(
    `INSERT INTO users
       (user_id, email, tier, api_key_hash, api_key_prefix, created_at, updated_at)
     VALUES (?, ?, 'pro', ?, 'luna_key', ?, ?)`,
  );
  const metric = db.prepare(
    `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
     VALUES (?, 'api_calls', 0, ?)`,
  );
  const subscription = db.prepare(
    "INSERT INTO subscriptions (user_id, status, started_at) VALUES (?, 'active', ?)",
  );
  for (let n = 0; n < count; n += 1) {
    const name = userName(n);
    const hash = createHash("sha256").update(apiKeyOf(name)).digest("hex");
    user.run(name, `${name}@example.com`, hash, now, now);
    metric.run(name, now);
    subscription.run(name, now);
  }
  db.exec("COMMIT");
}

/** @returns 0 for no sign-up, 4 for user, usage, subscription and welcome email */
export function partsOfSignUp(db: DatabaseSync, userId: string, address: string): number {
  const sql = `
    SELECT EXISTS (SELECT 1 FROM users WHERE user_id = ?1)
         + EXISTS (SELECT 1 FROM usage_metrics WHERE user_id = ?1)
         + EXISTS (SELECT 1 FROM subscriptions WHERE user_id = ?1)
         + EXISTS (SELECT 1 FROM emails WHERE to_address = ?2) AS parts`;
  return (db.prepare(sql).get(userId, address) as { parts: number }).parts;
}

export function usageOf(db: DatabaseSync, userId: string): number {
  const sql = "SELECT amount FROM usage_metrics WHERE user_id = ? AND metric = ?";
  const row = db.prepare(sql).get(userId, METRIC) as { amount: number } | undefined;
  return row?.amount ?? 0;
}

export function runsByStatus(db: DatabaseSync): Record<string, number> {
  const sql = "SELECT status, COUNT(*) AS runs FROM task_runs GROUP BY status";
  const rows = db.prepare(sql).all() as { status: string; runs: number }[];
  return Object.fromEntries(rows.map(({ status, runs }) => [status, runs]));
}

export type EmailRow = {
  id: string;
  to: string;
  status: string;
  reason: string | null;
  generation: number;
  lastPhase: string | null;
};

export function readEmails(db: DatabaseSync): EmailRow[] {
  const sql = `
    SELECT id, to_address AS "to", status, dead_reason AS reason, generation,
           last_error ->> 'phase' AS lastPhase
    FROM emails`;
  return db.prepare(sql).all() as EmailRow[];
}

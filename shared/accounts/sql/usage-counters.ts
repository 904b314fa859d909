import { insertPurgeSql, purgeTagsSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { UsageIncrement } from "../rules/schemas.ts";

/** SQL of a user's counters, and of what they were in the past. */

export const MAX_METRICS_OF_USER = 100;

/** What became of an order to count. `too-much`: the counter would no longer be exact. */
export type Counted =
  | { tag: "counted"; amount: number }
  | { tag: "no-user" }
  | { tag: "too-many-metrics" }
  | { tag: "too-much"; amount: number };

const alive = "EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL)";
const counter = "FROM usage_metrics WHERE user_id = ?1 AND metric = ?2";
const mayCount = `${alive} AND ?3 <= ?5 - COALESCE((SELECT amount ${counter}), 0)
  AND (EXISTS (SELECT 1 ${counter}) OR (SELECT COUNT(*) FROM usage_metrics WHERE user_id = ?1) < ?6)`;

/** Adds to one of a user's counters, which begins at zero. Of any number at once none is lost. */
export async function addUsage(
  db: D1Database,
  userId: string,
  { metric, amount }: UsageIncrement,
  intentId: string,
  now: number,
): Promise<Counted> {
  const bound = [
    userId,
    metric,
    amount,
    now,
    Number.MAX_SAFE_INTEGER,
    MAX_METRICS_OF_USER,
  ] as const;
  const [found, , counted] = await db.batch([
    db
      .prepare(`SELECT ${alive} AS alive, (SELECT amount ${counter}) AS amount`)
      .bind(userId, metric),
    // Before the counter, while the condition tells the same of both: who finds it knows that it
    // was counted.
    db
      .prepare(insertPurgeSql({ id: "?7", tags: "?8", createdAt: "?4", from: `WHERE ${mayCount}` }))
      .bind(...bound, intentId, JSON.stringify([relatedKey(userId, "usage")])),
    db
      .prepare(
        `INSERT INTO usage_metrics (user_id, metric, amount, updated_at) SELECT ?1, ?2, ?3, ?4 WHERE ${mayCount}
         ON CONFLICT (user_id, metric) DO UPDATE SET amount = amount + excluded.amount, updated_at = excluded.updated_at RETURNING amount`,
      )
      .bind(...bound),
  ]);
  const row = counted?.results[0] as { amount: number } | undefined;
  if (row !== undefined) return { tag: "counted", amount: row.amount };
  const before = found?.results[0] as { alive: number; amount: number | null } | undefined;
  if (before?.alive !== 1) return { tag: "no-user" };
  return before.amount === null
    ? { tag: "too-many-metrics" }
    : { tag: "too-much", amount: before.amount };
}

/**
 * A count whose reply was lost, if it took place: then its intent is there, whatever was counted
 * since, until a sweep delivers it.
 */
export async function findCounted(
  db: D1Database,
  userId: string,
  metric: string,
  intentId: string,
): Promise<Counted | null> {
  const row = await db
    .prepare(
      `SELECT amount FROM usage_metrics
       WHERE user_id = ?1 AND metric = ?2 AND ${purgeTagsSql("?3")} IS NOT NULL`,
    )
    .bind(userId, metric, intentId)
    .first<{ amount: number }>();
  return row === null ? null : { tag: "counted", amount: row.amount };
}

export type PastUsage = { metric: string; period: string; amount: number };

const past = {
  day: { table: "usage_daily", column: "day" },
  month: { table: "usage_monthly", column: "month" },
} as const;

/** What a user used in the past, newest first. Null: no such user. `metric` is null for all. */
export async function findPastUsage(
  db: D1Database,
  userId: string,
  wanted: { by: "day" | "month"; metric: string | null },
  limit: number,
): Promise<PastUsage[] | null> {
  const [users, rows] = await db.batch([
    db.prepare(`SELECT ${alive} AS alive`).bind(userId),
    selectPastUsage(db, userId, wanted, limit),
  ]);
  const alone = users?.results[0] as { alive: number } | undefined;
  return alone?.alive === 1 ? ((rows?.results ?? []) as PastUsage[]) : null;
}

/** The same for a batch. */
export function selectPastUsage(
  db: D1Database,
  userId: string,
  { by, metric }: { by: "day" | "month"; metric: string | null },
  limit: number,
): D1PreparedStatement {
  const { table, column } = past[by];
  const only = metric === null ? "?2 IS NULL" : "metric = ?2";
  return db
    .prepare(
      `SELECT metric, ${column} AS period, amount FROM ${table} WHERE user_id = ?1 AND ${only} ORDER BY ${column} DESC, metric LIMIT ?3`,
    )
    .bind(userId, metric, limit);
}

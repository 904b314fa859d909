import {
  findAnswer,
  insertAnswer,
  type FirstAnswer,
  type KeyedRequest,
} from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import { insertPurgeSql, purgeTagsSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { UsageIncrement } from "../rules/schemas.ts";
import type { WithPurge } from "./user-purge.ts";

/** SQL of a user's usage counters and of their history. */

export const MAX_METRICS_OF_USER = 100;

/** The outcome of counting usage. `too-much`: the counter would exceed the exact integers. */
export type UsageOutcome =
  | { tag: "counted"; amount: number }
  | { tag: "no-user" }
  | { tag: "too-many-metrics" }
  | { tag: "too-much"; amount: number }
  /** A request with the same key was answered before. */
  | { tag: "answered"; first: FirstAnswer };

const alive = "EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL)";
const counter = "FROM usage_metrics WHERE user_id = ?1 AND metric = ?2";
const mayCount = `${alive} AND ?3 <= ?5 - COALESCE((SELECT amount ${counter}), 0)
  AND (EXISTS (SELECT 1 ${counter})
       OR (SELECT COUNT(*) FROM usage_metrics WHERE user_id = ?1) < ?6)`;

/** The answer to a count, before the counter changes. */
const countAnswer = `json_object(
  'metric', ?2, 'amount', COALESCE((SELECT amount ${counter}), 0) + ?3)`;

/**
 * Adds to one of a user's counters, which starts at zero. Concurrent calls lose no count.
 *
 * @param keyed its Idempotency-Key, null without one: of requests with one key, one counts
 */
export async function incrementUsage(
  db: D1Database,
  userId: string,
  { metric, amount, keyed }: UsageIncrement & { keyed: KeyedRequest | null },
  { purgeId, now }: WithPurge,
): Promise<UsageOutcome> {
  const bound = [
    userId,
    metric,
    amount,
    now,
    Number.MAX_SAFE_INTEGER,
    MAX_METRICS_OF_USER,
  ] as const;
  const find = db
    .prepare(`SELECT ${alive} AS alive, (SELECT amount ${counter}) AS amount`)
    .bind(userId, metric);
  // Before the counter changes, so that the condition has the same result for both statements. A
  // pending purge proves that the usage was counted.
  const purge = db
    .prepare(insertPurgeSql({ id: "?7", tags: "?8", createdAt: "?4", from: `WHERE ${mayCount}` }))
    .bind(...bound, purgeId, JSON.stringify([relatedKey(userId, "usage")]));
  const count = db
    .prepare(
      `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
       SELECT ?1, ?2, ?3, ?4 WHERE ${mayCount}
       ON CONFLICT (user_id, metric) DO UPDATE
         SET amount = amount + excluded.amount, updated_at = excluded.updated_at
       RETURNING amount`,
    )
    .bind(...bound);
  const answered =
    keyed === null
      ? []
      : insertAnswer(db, keyed, now, { answer: countAnswer, condition: mayCount, bound });
  let replies;
  try {
    replies = await runBatch(db, { find, answered, purge, count });
  } catch (error) {
    const first = keyed === null ? null : await findAnswer(db, keyed, now);
    if (first === null) throw error;
    return { tag: "answered", first };
  }
  const row = replies.count.results[0] as { amount: number } | undefined;
  if (row !== undefined) return { tag: "counted", amount: row.amount };
  const before = replies.find.results[0] as { alive: number; amount: number | null } | undefined;
  if (before?.alive !== 1) return { tag: "no-user" };
  return before.amount === null
    ? { tag: "too-many-metrics" }
    : { tag: "too-much", amount: before.amount };
}

/**
 * For a count whose reply was lost: the counter, if the count was committed. Then its purge is
 * pending until a sweep delivers it.
 */
export async function findCounted(
  db: D1Database,
  userId: string,
  metric: string,
  purgeId: string,
): Promise<UsageOutcome | null> {
  const row = await db
    .prepare(
      `SELECT amount FROM usage_metrics
       WHERE user_id = ?1 AND metric = ?2 AND ${purgeTagsSql("?3")} IS NOT NULL`,
    )
    .bind(userId, metric, purgeId)
    .first<{ amount: number }>();
  return row === null ? null : { tag: "counted", amount: row.amount };
}

export type PastUsage = { metric: string; period: string; amount: number };

const past = {
  day: { table: "usage_daily", column: "day", byUser: "usage_daily_by_user" },
  month: { table: "usage_monthly", column: "month", byUser: "usage_monthly_by_user" },
} as const;

/**
 * What to select of past usage. `metric`: null for all. `after`: the last row of the page before.
 */
type WantedUsage = {
  by: "day" | "month";
  metric: string | null;
  after: Pick<PastUsage, "period" | "metric"> | null;
};

/** Past usage, newest first. @returns null if there is no such user */
export async function findPastUsage(
  db: D1Database,
  userId: string,
  wanted: WantedUsage,
  limit: number,
): Promise<PastUsage[] | null> {
  const [users, rows] = await db.batch([
    db.prepare(`SELECT ${alive} AS alive`).bind(userId),
    selectPastUsage(db, userId, wanted, limit),
  ]);
  const user = users?.results[0] as { alive: number } | undefined;
  return user?.alive === 1 ? ((rows?.results ?? []) as PastUsage[]) : null;
}

/** Selects past usage, for a batch. */
export function selectPastUsage(
  db: D1Database,
  userId: string,
  { by, metric, after }: WantedUsage,
  limit: number,
): D1PreparedStatement {
  const { table, column, byUser } = past[by];
  const only = metric === null ? "?2 IS NULL" : "metric = ?2";
  // By statistics SQLite would sort all that the user has.
  const index = metric === null ? `INDEXED BY ${byUser}` : "";
  // Its first half is what an index can find.
  const next =
    after === null
      ? "?4 IS NULL AND ?5 IS NULL"
      : `${column} <= ?4 AND (${column} < ?4 OR metric > ?5)`;
  return db
    .prepare(
      `SELECT metric, ${column} AS period, amount FROM ${table} ${index}
       WHERE user_id = ?1 AND ${only} AND ${next}
       ORDER BY ${column} DESC, metric LIMIT ?3`,
    )
    .bind(userId, metric, limit, after?.period ?? null, after?.metric ?? null);
}

import {
  findAnswer,
  insertAnswer,
  type FirstAnswer,
  type KeyedRequest,
} from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import { insertPurgeSql, purgeTagsSql } from "../../database/purge-outbox/pending-purges.ts";
import { relatedKey } from "../rules/keys.ts";
import type { AccountTier, UsageIncrement } from "../rules/schemas.ts";
import type { UsageQuota } from "../rules/usage-quotas.ts";
import type { WithPurge } from "./user-purge.ts";

/** SQL of a user's usage counters and of their history. */

export const MAX_METRICS_OF_USER = 100;

/** What the user's tier may count of a metric in this month, and what was counted. */
type QuotaUse = { limit: number; used: number };

/**
 * The outcome of counting usage. `quota`: null without one. `too-much`: the counter would exceed
 * the exact integers.
 */
export type UsageOutcome =
  | { tag: "counted"; amount: number; quota: QuotaUse | null }
  | { tag: "no-user" }
  | { tag: "over-quota"; tier: AccountTier; quota: QuotaUse }
  | { tag: "too-many-metrics" }
  | { tag: "too-much"; amount: number }
  /** A request with the same key was answered before. */
  | { tag: "answered"; first: FirstAnswer };

const alive = "EXISTS (SELECT 1 FROM users WHERE user_id = ?1 AND deleted_at IS NULL)";
const counter = "FROM usage_metrics WHERE user_id = ?1 AND metric = ?2";

/** SQL for the quota of the user's tier now. NULL: no limit. */
const limitIn = (quota: string): string =>
  `(SELECT ${quota} ->> tier FROM users WHERE user_id = ?1)`;
/** SQL for what was counted in the month of a time. */
const usedAt = (now: string): string => `COALESCE(
  (SELECT amount - before_month FROM usage_months WHERE user_id = ?1 AND metric = ?2
     AND month >= strftime('%Y-%m', ${now} / 1000, 'unixepoch')), 0)`;

const mayCount = `${alive} AND ?3 <= ?5 - COALESCE((SELECT amount ${counter}), 0)
  AND (EXISTS (SELECT 1 ${counter})
       OR (SELECT COUNT(*) FROM usage_metrics WHERE user_id = ?1) < ?6)
  AND (?7 IS NULL OR COALESCE(?3 <= ${limitIn("?7")} - ${usedAt("?4")}, TRUE))`;

/** The answer to a count, before the counter changes. */
const countAnswer = `json_patch(
  json_object('metric', ?2, 'amount', COALESCE((SELECT amount ${counter}), 0) + ?3),
  iif(?7 IS NULL OR ${limitIn("?7")} IS NULL, '{}', json_object('quota',
    json_object('limit', ${limitIn("?7")}, 'used', ${usedAt("?4")} + ?3))))`;

/** `quota`: how much the user may count per month, by tier; null without a limit. */
type LimitedMetric = { metric: string; quota: UsageQuota | null };
type Increment = UsageIncrement & LimitedMetric & { keyed: KeyedRequest | null };

const quotaText = (quota: UsageQuota | null): string | null =>
  quota === null ? null : JSON.stringify(quota);

/** A user before a count. `limit`: null without one. `amount`: null without the counter. */
type BeforeCount = { tier: AccountTier; amount: number | null; limit: number | null; used: number };

/**
 * Adds to one of a user's counters, which starts at zero. Concurrent calls lose no count, and
 * exceed no quota.
 *
 * @param keyed its Idempotency-Key, null without one: of requests with one key, one counts
 */
export async function incrementUsage(
  db: D1Database,
  userId: string,
  { metric, amount, quota, keyed }: Increment,
  { purgeId, now }: WithPurge,
): Promise<UsageOutcome> {
  const most = [Number.MAX_SAFE_INTEGER, MAX_METRICS_OF_USER] as const;
  const bound = [userId, metric, amount, now, ...most, quotaText(quota)] as const;
  const find = db
    .prepare(
      `SELECT tier, (SELECT amount ${counter}) AS amount, ?7 ->> tier AS "limit",
         iif(?7 IS NULL, 0, ${usedAt("?4")}) AS used
       FROM users WHERE user_id = ?1 AND deleted_at IS NULL`,
    )
    .bind(...bound);
  // Before the counter changes, so that the condition has the same result for both statements. A
  // pending purge proves that the usage was counted.
  const purge = db
    .prepare(insertPurgeSql({ id: "?8", tags: "?9", createdAt: "?4", from: `WHERE ${mayCount}` }))
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
  const [before] = replies.find.results as BeforeCount[];
  if (before === undefined) return { tag: "no-user" };
  const [row] = replies.count.results as { amount: number }[];
  if (row !== undefined)
    return { tag: "counted", amount: row.amount, quota: quotaUse(before, amount) };
  // What was counted before under this key may be what leaves no room.
  const first = keyed === null ? null : await findAnswer(db, keyed, now);
  return first === null ? refusal(before, amount) : { tag: "answered", first };
}

const quotaUse = (
  { limit, used }: Pick<BeforeCount, "limit" | "used">,
  amount: number,
): QuotaUse | null => (limit === null ? null : { limit, used: used + amount });

/** Why an amount was not counted. */
function refusal({ tier, amount: total, limit, used }: BeforeCount, amount: number): UsageOutcome {
  if (limit !== null && used + amount > limit)
    return { tag: "over-quota", tier, quota: { limit, used } };
  return total === null ? { tag: "too-many-metrics" } : { tag: "too-much", amount: total };
}

/**
 * For a count whose reply was lost: the counter, if the count was committed. Then its purge is
 * pending until a sweep delivers it.
 */
export async function findCounted(
  db: D1Database,
  userId: string,
  { metric, quota }: LimitedMetric,
  { purgeId, now }: WithPurge,
): Promise<UsageOutcome | null> {
  const row = await db
    .prepare(
      `SELECT amount, ${limitIn("?4")} AS "limit", iif(?4 IS NULL, 0, ${usedAt("?5")}) AS used
       FROM usage_metrics
       WHERE user_id = ?1 AND metric = ?2 AND ${purgeTagsSql("?3")} IS NOT NULL`,
    )
    .bind(userId, metric, purgeId, quotaText(quota), now)
    .first<{ amount: number; limit: number | null; used: number }>();
  return row === null ? null : { tag: "counted", amount: row.amount, quota: quotaUse(row, 0) };
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

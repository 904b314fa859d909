import { runBatch } from "../../database/batch.ts";
import { countRows, type ExpiringRows } from "../../database/expiring.ts";

/** SQL of the weekly usage reports. */

export type WeeklyUsage = {
  userId: string;
  email: string;
  metrics: { name: string; amount: number }[];
};

/**
 * SQL over the row `u` of `users`: they used something between the days `?1` and `?2`, and the
 * report of the week that began on `?1` was not sent.
 */
const isUnreported = `u.email IS NOT NULL
  AND EXISTS (SELECT 1 FROM usage_daily d
              WHERE d.user_id = u.user_id AND d.day BETWEEN ?1 AND ?2 AND d.amount > 0)
  AND NOT EXISTS (SELECT 1 FROM usage_reports r WHERE r.user_id = u.user_id AND r.week = ?1)`;

/** The first and last day of a week. */
export type Week = { monday: string; sunday: string };

/** Whether there is a user who signed up before a time, in milliseconds since the epoch. */
export async function hasUserBefore(db: D1Database, time: number): Promise<boolean> {
  const found = await db
    .prepare(
      `SELECT 1 AS found FROM users WHERE deleted_at IS NULL AND created_at < ?1
       ORDER BY created_at, user_id LIMIT 1`,
    )
    .bind(time)
    .first<number>("found");
  return found === 1;
}

/** How many users one statement looks at, however few of them used something. */
const USERS_PER_LOOK = 2_000;

/**
 * Users with usage in a week whose report was not sent, by their ids, after one of them: at most
 * `limit`, and fewer only if no user follows.
 */
export async function unreportedUsage(
  db: D1Database,
  week: Week,
  after: string,
  limit: number,
): Promise<WeeklyUsage[]> {
  const found: WeeklyUsage[] = [];
  for (let from: string | null = after; from !== null && found.length < limit;) {
    const { users, lookedTo } = await lookFor(db, week, from, limit - found.length);
    found.push(...users);
    from = lookedTo;
  }
  return found;
}

/** @returns `lookedTo`: the last user that was looked at; null if no user follows */
async function lookFor(
  db: D1Database,
  { monday, sunday }: Week,
  after: string,
  limit: number,
): Promise<{ users: WeeklyUsage[]; lookedTo: string | null }> {
  const looked = `(SELECT user_id, email FROM users WHERE user_id > ?3
    ORDER BY user_id LIMIT ${USERS_PER_LOOK})`;
  const { users, end } = await runBatch(db, {
    users: db
      .prepare(
        `SELECT u.user_id AS userId, u.email,
                (SELECT json_group_array(json_object('name', metric, 'amount', amount)) FROM (
                   SELECT metric, SUM(amount) AS amount FROM usage_daily d
                   WHERE d.user_id = u.user_id AND d.day BETWEEN ?1 AND ?2
                   GROUP BY metric HAVING SUM(amount) > 0 ORDER BY metric LIMIT 50)) AS metrics
         FROM ${looked} AS u WHERE ${isUnreported} ORDER BY u.user_id LIMIT ?4`,
      )
      .bind(monday, sunday, after, limit),
    end: db
      .prepare(
        `SELECT user_id AS id FROM users WHERE user_id > ?1 ORDER BY user_id LIMIT 1 OFFSET ?2`,
      )
      .bind(after, USERS_PER_LOOK - 1),
  });
  const rows = users.results as { userId: string; email: string; metrics: string }[];
  const [last] = end.results as { id: string }[];
  return {
    users: rows.map(({ metrics, ...user }) => ({
      ...user,
      metrics: JSON.parse(metrics) as WeeklyUsage["metrics"],
    })),
    lookedTo: last?.id ?? null,
  };
}

/**
 * How many users with usage in a week have no report of it yet, after one of them. It counts no
 * further than `limit`.
 */
export async function countUnreported(
  db: D1Database,
  { monday, sunday }: Week,
  after: string,
  limit: number,
): Promise<number> {
  const from = `users u WHERE u.user_id > ?3 AND ${isUnreported}`;
  return await countRows(db, from, [monday, sunday, after, limit]);
}

export async function markReported(
  db: D1Database,
  monday: string,
  userIds: string[],
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO usage_reports (user_id, week) SELECT value, ?2 FROM json_each(?1) WHERE TRUE
       ON CONFLICT (user_id, week) DO NOTHING`,
    )
    .bind(JSON.stringify(userIds), monday)
    .run();
}

/** Deletes which reports were sent for the weeks before one: at most `limit`. @returns how many */
/** Which weeks are forgotten: those that began before a time. */
export const oldReports: ExpiringRows = {
  table: "usage_reports",
  key: "user_id, week",
  isOver: "week < date(?1 / 1000, 'unixepoch')",
};

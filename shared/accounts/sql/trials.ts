import { runBatch } from "../../database/batch.ts";
import { countRows } from "../../database/expiring.ts";
import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { userKey } from "../rules/keys.ts";

/** SQL that notifies users of the end of their trial, and ends trials. */

export type EndingTrial = { userId: string; email: string; trialEndsAt: number };

/** SQL over `subscriptions s` and `users u`: the trial ends in time and was not notified. */
const isUnnotified = `s.status = 'trialing' AND s.trial_ends_at > ?1 AND s.trial_ends_at <= ?2
  AND u.email IS NOT NULL AND s.told_of_trial_end IS NOT s.trial_ends_at`;

const trialsAfter = `subscriptions s JOIN users u ON u.user_id = s.user_id
  WHERE (s.trial_ends_at, s.user_id) > (?3, ?4)`;

/** Between which times trials end. */
export type Ending = { from: number; until: number };

/** Trials, after one of them, that end between two times and were not notified, soonest first. */
export async function unnotifiedTrials(
  db: D1Database,
  { from, until }: Ending,
  after: Pick<EndingTrial, "userId" | "trialEndsAt"> | null,
  limit: number,
): Promise<EndingTrial[]> {
  const { results } = await db
    .prepare(
      `SELECT s.user_id AS userId, u.email, s.trial_ends_at AS trialEndsAt
       FROM ${trialsAfter} AND ${isUnnotified}
       ORDER BY s.trial_ends_at, s.user_id LIMIT ?5`,
    )
    .bind(from, until, after?.trialEndsAt ?? 0, after?.userId ?? "", limit)
    .all<EndingTrial>();
  return results;
}

/**
 * How many trials end between two times and were not notified yet, after one of them. It counts no
 * further than `limit`.
 */
export async function countUnnotified(
  db: D1Database,
  { from, until }: Ending,
  after: Pick<EndingTrial, "userId" | "trialEndsAt"> | null,
  limit: number,
): Promise<number> {
  const unnotified = `${trialsAfter} AND ${isUnnotified}`;
  const { trialEndsAt, userId } = after ?? { trialEndsAt: 0, userId: "" };
  return await countRows(db, unnotified, [from, until, trialEndsAt, userId, limit]);
}

/** Marks trials as notified, except those whose end has changed since they were read. */
export async function markNotified(db: D1Database, trials: EndingTrial[]): Promise<void> {
  await db
    .prepare(
      `UPDATE subscriptions AS s SET told_of_trial_end = t.value ->> 'trialEndsAt'
       FROM json_each(?1) AS t
       WHERE s.user_id = t.value ->> 'userId' AND s.trial_ends_at = t.value ->> 'trialEndsAt'`,
    )
    .bind(JSON.stringify(trials.map(({ userId, trialEndsAt }) => ({ userId, trialEndsAt }))))
    .run();
}

/** SQL over `subscriptions`: a trial that is over at `?1`. */
const isOverdue = "status = 'trialing' AND trial_ends_at <= ?1";

/** How many trials are over at a time, counted up to `limit`. */
export async function countDueTrials(db: D1Database, now: number, limit: number): Promise<number> {
  return await countRows(db, `subscriptions WHERE ${isOverdue}`, [now, limit]);
}

/** Users whose trial is over: the same in each statement of the batch, until the last ends them. */
const overdueTrials = `SELECT user_id FROM subscriptions
  WHERE ${isOverdue} ORDER BY trial_ends_at, user_id LIMIT ?2`;

/**
 * Ends trials that are over and were not converted: cancels the subscription as of the trial's end,
 * sets the tier to free and adds the cache purge, in one batch.
 *
 * @param limit at most the number of tags that one purge accepts
 * @returns how many trials were ended
 */
export async function endDueTrials(
  db: D1Database,
  purgeId: string,
  now: number,
  limit: number,
): Promise<number> {
  const end = db
    .prepare(
      `UPDATE subscriptions SET status = 'cancelled', ended_at = trial_ends_at
       WHERE user_id IN (${overdueTrials}) RETURNING 1`,
    )
    .bind(now, limit);
  const replies = await runBatch(db, {
    purge: db
      .prepare(
        insertPurgeSql({
          id: "?3",
          tags: "json_group_array(?4 || user_id)",
          createdAt: "?1",
          from: `FROM (${overdueTrials}) HAVING COUNT(*) > 0`,
        }),
      )
      .bind(now, limit, purgeId, userKey("")),
    downgrade: db
      .prepare(
        `UPDATE users SET tier = 'free', updated_at = ?1
         WHERE deleted_at IS NULL AND user_id IN (${overdueTrials})`,
      )
      .bind(now, limit),
    end,
  });
  // `meta.changes` also counts the events that triggers write.
  return replies.end.results.length;
}

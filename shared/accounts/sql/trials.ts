import { insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import { userKey } from "../rules/keys.ts";

/** SQL of telling users that their trial ends. */

export type EndingTrial = { userId: string; email: string; trialEndsAt: number };

/** Trials that end between two times, of which nobody was told, soonest first. */
export async function untoldTrials(
  db: D1Database,
  from: number,
  until: number,
  limit: number,
): Promise<EndingTrial[]> {
  const { results } = await db
    .prepare(
      `SELECT s.user_id AS userId, u.email, s.trial_ends_at AS trialEndsAt FROM subscriptions s JOIN users u ON u.user_id = s.user_id
       WHERE s.status = 'trialing' AND s.trial_ends_at > ?1 AND s.trial_ends_at <= ?2 AND u.email IS NOT NULL
         AND s.told_of_trial_end IS NOT s.trial_ends_at ORDER BY s.trial_ends_at, s.user_id LIMIT ?3`,
    )
    .bind(from, until, limit)
    .all<EndingTrial>();
  return results;
}

/** Notes of whom it was told. A trial that was prolonged meanwhile is another one. */
export async function markTold(db: D1Database, trials: EndingTrial[]): Promise<void> {
  await db
    .prepare(
      `UPDATE subscriptions AS s SET told_of_trial_end = t.value ->> 'trialEndsAt' FROM json_each(?1) AS t
       WHERE s.user_id = t.value ->> 'userId' AND s.trial_ends_at = t.value ->> 'trialEndsAt'`,
    )
    .bind(JSON.stringify(trials.map(({ userId, trialEndsAt }) => ({ userId, trialEndsAt }))))
    .run();
}

/** Trials that are over: the same in each statement of a batch, until one of them ends them. */
const over = `SELECT user_id FROM subscriptions WHERE status = 'trialing' AND trial_ends_at <= ?1 ORDER BY trial_ends_at, user_id LIMIT ?2`;

/**
 * Ends trials that are over and that nobody converted: the subscription is cancelled as of their
 * end, and the tier goes back to free. With the purge that this owes the cache, in one batch.
 *
 * @param limit at most as many as one purge takes tags
 * @returns how many were ended
 */
export async function endTrials(
  db: D1Database,
  intentId: string,
  now: number,
  limit: number,
): Promise<number> {
  const [, , ended] = await db.batch([
    db
      .prepare(
        insertPurgeSql({
          id: "?3",
          tags: "json_group_array(?4 || user_id)",
          createdAt: "?1",
          from: `FROM (${over}) HAVING COUNT(*) > 0`,
        }),
      )
      .bind(now, limit, intentId, userKey("")),
    db
      .prepare(
        `UPDATE users SET tier = 'free', updated_at = ?1 WHERE deleted_at IS NULL AND user_id IN (${over})`,
      )
      .bind(now, limit),
    db
      .prepare(
        `UPDATE subscriptions SET status = 'cancelled', ended_at = trial_ends_at WHERE user_id IN (${over})`,
      )
      .bind(now, limit),
  ]);
  return ended?.meta.changes ?? 0;
}

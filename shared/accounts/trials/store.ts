/** SQL of telling users that their trial ends. */

export type EndingTrial = { userId: string; email: string; trialEndsAt: number };

/** Trials that end between two times, of which nobody was told, soonest first. */
export async function untoldTrials(db: D1Database, from: number, until: number, limit: number): Promise<EndingTrial[]> {
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

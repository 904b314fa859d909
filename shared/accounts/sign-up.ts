import { insertCreated, type KeyedRequest } from "../database/answered-requests.ts";
import { WRITE_TIMEOUT_MS, writeDatabase, type WriteFailure } from "../database/write.ts";
import { notify } from "../email/notify.ts";
import { ADMIN_TENANT, newEmail, type Outbox } from "../email/outbox.ts";
import type { NamedEmail } from "../email/templates/named.ts";
import { within } from "../lib/base/deadline.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { describeError, log } from "../lib/worker/log.ts";
import type { NewApiKey } from "./api-key.ts";
import type { NewUser, User } from "./rules/schemas.ts";
import { firstSubscription, hasTrial } from "./rules/trials.ts";
import { tierName, trialDays, type AccountVariables } from "./settings.ts";
import { hadTrial as wasTried, insertTrial, trialHash } from "./sql/trial-addresses.ts";
import { findUserBy, insertUser } from "./sql/users.ts";

/**
 * `settings`: of trials and tiers. `welcome`: the email; null for none. `intent`: the purge of
 * the new names. `keyed`: its Idempotency-Key.
 */
type SignUp = {
  settings: AccountVariables;
  user: NewUser;
  key: NewApiKey;
  welcome: { from: string; render: (data: object) => NamedEmail } | null;
  intent: D1PreparedStatement;
  keyed: KeyedRequest | null;
  now: number;
};

/**
 * Creates a user with usage metrics, subscription, welcome email and purge, atomically in one D1
 * batch.
 *
 * @returns the user and the only copy of the API key
 */
export async function signUp(
  outbox: Outbox,
  { settings, user, key, welcome: wanted, intent, keyed, now }: SignUp,
): Promise<Result<{ user: User; apiKey: string }, WriteFailure>> {
  const { db } = outbox;
  const days = trialDays(settings);
  const trial = await trialOf(db, user, days);
  if (!trial.ok) return trial;
  const hadTrial = trial.value?.hadTrial ?? false;
  const subscription = firstSubscription(user.tier, { trialDays: days, hadTrial }, now);
  const { tier } = subscription;
  const welcomeData = { userId: user.userId, tier: tierName(settings, tier) };
  const welcome =
    wanted === null
      ? null
      : newEmail(
          db,
          {
            tenant: ADMIN_TENANT,
            from: wanted.from,
            to: user.email,
            onUnknown: "hold",
            ...wanted.render(welcomeData),
          },
          now,
        );
  const written = await writeDatabase(
    async () => {
      await db.batch([
        ...insertUser(db, { ...user, subscription }, key, now),
        ...(subscription.status === "trialing" && trial.value !== null
          ? [insertTrial(db, trial.value.hash, now)]
          : []),
        ...(welcome?.statements ?? []),
        intent,
        ...insertCreated(db, keyed, now, {
          created: "SELECT user_id AS id FROM users WHERE user_id = ?1",
          bound: [user.userId],
        }),
      ]);
      return true as const;
    },
    // The batch was committed if a user has this key.
    async () =>
      (await findUserBy(db, { by: "apiKeyHash", value: key.hash })) === null ? null : true,
  );
  if (!written.ok) return written;
  if (welcome !== null) {
    welcome.accepted();
    await notify(outbox, [{ id: welcome.id, generation: 1, dueAt: now }], now);
  }
  const at = new Date(now).toISOString();
  return ok({
    user: { ...user, tier, scopes: [], apiKeyPrefix: key.prefix, createdAt: at, updatedAt: at },
    apiKey: key.key,
  });
}

/** Whether the address had a trial; null for a tier without one. */
async function trialOf(
  db: D1Database,
  { tier, email }: NewUser,
  days: number,
): Promise<Result<{ hash: string; hadTrial: boolean } | null, WriteFailure>> {
  if (!hasTrial(tier, days)) return ok(null);
  const find = async () => {
    const hash = await trialHash(db, email);
    return { hash, hadTrial: await wasTried(db, hash) };
  };
  try {
    return ok(await within(WRITE_TIMEOUT_MS, find()));
  } catch (error) {
    log("error", "sign_up.trial_unread", describeError(error));
    return fail({ tag: "unavailable", dependency: "database" });
  }
}

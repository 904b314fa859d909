import { writeDatabase, type WriteFailure } from "../database/write.ts";
import { ADMIN_TENANT, newEmail, notify, type Outbox } from "../email/outbox.ts";
import { renderTemplate } from "../email/templates/render.ts";
import { welcome as template } from "../email/templates/welcome.ts";
import { ok, type Result } from "../lib/base/result.ts";
import type { NewApiKey } from "./api-key.ts";
import type { NewUser, User } from "./rules/schemas.ts";
import { findUser, insertUser } from "./sql/users.ts";

/** `from`: the sender of the welcome email. `intent`: the purge of the new names. */
type SignUp = {
  user: NewUser;
  key: NewApiKey;
  from: string;
  intent: D1PreparedStatement;
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
  { user, key, from, intent, now }: SignUp,
): Promise<Result<{ user: User; apiKey: string }, WriteFailure>> {
  const { db } = outbox;
  const welcome = newEmail(
    db,
    {
      tenant: ADMIN_TENANT,
      from,
      to: user.email,
      onUnknown: "hold",
      ...renderTemplate(template, user),
    },
    now,
  );
  const written = await writeDatabase(
    async () => {
      await db.batch([...insertUser(db, user, key, now), ...welcome.statements, intent]);
      return true as const;
    },
    // The batch was committed if a user has this key.
    async () =>
      (await findUser(db, { by: "apiKeyHash", value: key.hash })) === null ? null : true,
  );
  if (!written.ok) return written;
  welcome.accepted();
  await notify(outbox, [{ id: welcome.id, generation: 1, dueAt: now }], now);
  const at = new Date(now).toISOString();
  return ok({
    user: { ...user, scopes: [], apiKeyPrefix: key.prefix, createdAt: at, updatedAt: at },
    apiKey: key.key,
  });
}

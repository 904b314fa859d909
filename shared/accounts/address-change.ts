import { writeDatabase, type WriteFailure } from "../database/write.ts";
import { isSent } from "../email/automatic-emails.ts";
import { brandOf } from "../email/brand.ts";
import type { Outbox } from "../email/outbox.ts";
import type { EmailVariables } from "../email/settings.ts";
import type { EmailSource } from "../email/sql/accept.ts";
import { automaticEmail, type NamedEmail, type ReadTemplates } from "../email/templates/named.ts";
import type { Failure } from "../http/failure.ts";
import { sha256Hex } from "../lib/base/hash.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { newNotice, sendNotices, statementsOf } from "./notices.ts";
import type { User } from "./rules/schemas.ts";
import * as store from "./sql/address-changes.ts";
import { findUserBy } from "./sql/users.ts";

const TOKEN_BYTES = 32;

/**
 * `env`: which of the emails are switched off, and their brand. `from`: their sender. `publicUrl`:
 * where the link leads.
 */
type AddressWish = {
  userId: string;
  email: string;
  env: EmailVariables;
  readTemplates: ReadTemplates;
  from: string;
  publicUrl: string;
  now: number;
};

type WishFailure = WriteFailure | Extract<Failure, { tag: "not-found" | "wrong-state" }>;

const tooManyRequests: Failure & { tag: "wrong-state" } = {
  tag: "wrong-state",
  detail:
    `The address was asked to be changed ${store.MAX_REQUESTS_A_DAY} times within 24 hours. ` +
    "Try again tomorrow.",
};

/**
 * Asks the new address to confirm a change of address, and notifies the old one. If another account
 * has the new address, its owner is notified instead. The answer is the same.
 *
 * @returns the user with the address that still counts
 */
export async function requestAddressChange(
  outbox: Outbox,
  { userId, email, env, readTemplates, from, publicUrl, now }: AddressWish,
): Promise<Result<{ user: User; expiresAt: number }, WishFailure>> {
  const { db } = outbox;
  const token = crypto
    .getRandomValues(new Uint8Array(TOKEN_BYTES))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  const tokenHash = await sha256Hex(token);
  const link = `${publicUrl}/confirm-address/${token}`;
  const sources = store.requestSources;
  const brand = brandOf(env);
  const filled = async (
    name: "address-in-use" | "address-confirmation" | "address-change-requested",
    data: object,
  ): Promise<NamedEmail> => (await automaticEmail(readTemplates, name, brand))(data);
  const notice = (source: EmailSource, rendered: NamedEmail) =>
    newNotice(db, { from, source, now }, rendered);
  const notices = {
    owner: isSent(env, "address-in-use")
      ? notice(sources.owner(tokenHash, now), await filled("address-in-use", { address: email }))
      : null,
    newAddress: notice(
      sources.newAddress(tokenHash),
      await filled("address-confirmation", { userId, link }),
    ),
    oldAddress: isSent(env, "address-change-requested")
      ? notice(sources.oldAddress(tokenHash), await filled("address-change-requested", { userId }))
      : null,
  };
  const saved = await writeDatabase(
    () =>
      store.saveAddressRequest(
        db,
        { userId, email, tokenHash },
        {
          owner: statementsOf(notices.owner),
          newAddress: statementsOf(notices.newAddress),
          oldAddress: statementsOf(notices.oldAddress),
        },
        now,
      ),
    // The sweeper notifies the consumer of its emails.
    async (): Promise<store.RequestSaved | null> =>
      (await store.isRequested(db, tokenHash))
        ? {
            user: await findUserBy(db, { by: "userId", value: userId }),
            accepted: { owner: false, newAddress: false, oldAddress: false },
          }
        : null,
  );
  if (!saved.ok) return saved;
  const { user, accepted } = saved.value;
  if (user === null) return fail({ tag: "not-found", what: "user" });
  if (accepted === null) return fail(tooManyRequests);
  const sent = (Object.keys(accepted) as (keyof typeof accepted)[]).filter((to) => accepted[to]);
  await sendNotices(
    outbox,
    sent.map((to) => notices[to]),
    now,
  );
  return ok({ user, expiresAt: now + store.LINK_MS });
}

import { runBatch } from "../../database/batch.ts";
import { countAgain } from "../../database/day-counts.ts";
import type { ExpiringRows } from "../../database/expiring.ts";
import type { EmailSource } from "../../email/sql/accept.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import { emailKey } from "../rules/keys.ts";
import type { User } from "../rules/schemas.ts";
import { insertUserPurge, type WithPurge } from "./user-purge.ts";
import { selectUser, userFrom, type UserRow } from "./users.ts";

/** SQL of changes of address that wait for their confirmation. */

/** How long the link is valid. */
export const LINK_MS = DAY_MS;
/** Each request sends two emails, one of them to an address that the user chose. */
export const MAX_REQUESTS_A_DAY = 5;

export type AddressRequest = { userId: string; email: string; tokenHash: string };

/** The rows that the emails of a request are accepted for, in its batch and after it. */
export const requestSources = {
  /** The owner of the new address, once per day at most. */
  owner: (tokenHash: string, now: number): EmailSource => ({
    to: "o.email",
    from: `address_changes c JOIN users o ON o.email = c.email AND o.user_id <> c.user_id
      WHERE c.token_hash = $1
        AND (o.in_use_notified_at IS NULL OR o.in_use_notified_at <= $2)`,
    values: [tokenHash, now - DAY_MS],
  }),
  /** The new address, if no other account has it. */
  newAddress: (tokenHash: string): EmailSource => ({
    to: "c.email",
    from: `address_changes c WHERE c.token_hash = $1 AND NOT EXISTS (
      SELECT 1 FROM users o WHERE o.email = c.email AND o.user_id <> c.user_id)`,
    values: [tokenHash],
  }),
  oldAddress: (tokenHash: string): EmailSource => ({
    to: "u.email",
    from: `address_changes c JOIN users u ON u.user_id = c.user_id WHERE c.token_hash = $1`,
    values: [tokenHash],
  }),
};

type RequestEmails = Record<keyof typeof requestSources, readonly D1PreparedStatement[]>;

/**
 * What became of a request. `accepted`: which of its emails were. Null: the user has made too many
 * requests, and nothing was written.
 */
export type RequestSaved = {
  user: User | null;
  accepted: Record<keyof typeof requestSources, boolean> | null;
};

const isAccepted = ([inserted]: readonly D1Result[]): boolean => (inserted?.meta.changes ?? 0) > 0;

/**
 * Saves a request, which replaces the one before. The statements are the same whether another
 * account has the address or not.
 */
export async function saveAddressRequest(
  db: D1Database,
  { userId, email, tokenHash }: AddressRequest,
  emails: RequestEmails,
  now: number,
): Promise<RequestSaved> {
  const replies = await runBatch(db, {
    request: db
      .prepare(
        `INSERT INTO address_changes
           (user_id, email, token_hash, requested_at, expires_at, requests, counted_from)
         SELECT user_id, ?2, ?3, ?4, ?5, 1, ?4 FROM users
         WHERE user_id = ?1 AND deleted_at IS NULL
         ON CONFLICT (user_id) DO UPDATE SET email = excluded.email,
           token_hash = excluded.token_hash, requested_at = excluded.requested_at,
           expires_at = excluded.expires_at, confirmed_at = NULL,
           ${countAgain("address_changes", "requests", "?6")}
         WHERE counted_from <= ?6 OR requests < ?7`,
      )
      .bind(userId, email, tokenHash, now, now + LINK_MS, now - DAY_MS, MAX_REQUESTS_A_DAY),
    owner: emails.owner,
    notified: db
      .prepare(
        `UPDATE users SET in_use_notified_at = ?2
         WHERE email = (SELECT email FROM address_changes WHERE token_hash = ?1)
           AND user_id <> ?4 AND (in_use_notified_at IS NULL OR in_use_notified_at <= ?3)`,
      )
      .bind(tokenHash, now, now - DAY_MS, userId),
    newAddress: emails.newAddress,
    oldAddress: emails.oldAddress,
    user: selectUser(db, userId),
  });
  const [row] = replies.user.results as UserRow[];
  return {
    user: row === undefined ? null : userFrom(row),
    accepted:
      replies.request.meta.changes === 0
        ? null
        : {
            owner: isAccepted(replies.owner),
            newAddress: isAccepted(replies.newAddress),
            oldAddress: isAccepted(replies.oldAddress),
          },
  };
}

/** Whether a request whose reply was lost was written. */
export async function isRequested(db: D1Database, tokenHash: string): Promise<boolean> {
  return (
    (await db
      .prepare("SELECT 1 FROM address_changes WHERE token_hash = ?1")
      .bind(tokenHash)
      .first()) !== null
  );
}

/**
 * A request by the token of its link, while the link is valid. `present`: the user's address.
 * `suspended`: the user is.
 */
export type FoundRequest = {
  userId: string;
  email: string;
  present: string;
  confirmed: boolean;
  suspended: boolean;
};

export async function findAddressRequest(
  db: D1Database,
  tokenHash: string,
  now: number,
): Promise<FoundRequest | null> {
  const row = await db
    .prepare(
      `SELECT c.user_id AS userId, c.email, u.email AS present,
         c.confirmed_at IS NOT NULL AS confirmed, u.suspended_at IS NOT NULL AS suspended
       FROM address_changes c JOIN users u ON u.user_id = c.user_id AND u.deleted_at IS NULL
       WHERE c.token_hash = ?1 AND c.expires_at > ?2`,
    )
    .bind(tokenHash, now)
    .first<
      Omit<FoundRequest, "confirmed" | "suspended"> & Record<"confirmed" | "suspended", number>
    >();
  return row === null
    ? null
    : { ...row, confirmed: row.confirmed === 1, suspended: row.suspended === 1 };
}

/** SQL over the row of `users`: it has an open request with that token, and may confirm it. */
const hasOpen = (tokenHash: string, now: string): string => `(users.suspended_at IS NULL
  AND EXISTS (SELECT 1 FROM address_changes c WHERE c.user_id = users.user_id
    AND c.token_hash = ${tokenHash} AND c.confirmed_at IS NULL AND c.expires_at > ${now}))`;

/** The row that the notice to the old address is accepted for. */
export const confirmationSource = (tokenHash: string, now: number): EmailSource => ({
  to: "users.email",
  from: `address_changes AS open CROSS JOIN users ON users.user_id = open.user_id
    WHERE open.token_hash = $1 AND users.deleted_at IS NULL AND ${hasOpen("$1", "$2")}`,
  values: [tokenHash, now],
});

/** Whether `saveConfirmedAddress` changes the address, for a statement in its batch. */
export const whileOpen = (
  tokenHash: string,
  now: number,
): { condition: string; bound: string } => ({
  condition: `EXISTS (
    SELECT 1 FROM address_changes AS c JOIN users ON users.user_id = c.user_id
    WHERE c.token_hash = ?1 AND c.confirmed_at IS NULL AND c.expires_at > ${now}
      AND users.deleted_at IS NULL AND users.suspended_at IS NULL)`,
  bound: tokenHash,
});

/**
 * Gives the user the new address. It throws if another account has it by then.
 *
 * @returns whether the request was open; a repeat changes nothing, nor does a suspended user
 */
export async function saveConfirmedAddress(
  db: D1Database,
  { userId, email, tokenHash }: AddressRequest,
  along: readonly D1PreparedStatement[],
  { purgeId, now }: WithPurge,
): Promise<boolean> {
  const replies = await runBatch(db, {
    along,
    // The hash has only hexadecimal digits.
    purge: insertUserPurge(
      db,
      { userId, newNames: [emailKey(email)] },
      { purgeId, now },
      hasOpen(`'${tokenHash}'`, String(now)),
    ),
    change: db
      .prepare(
        `UPDATE users SET email = ?2, updated_at = ?3
         WHERE user_id = ?1 AND deleted_at IS NULL AND ${hasOpen("?4", "?3")}`,
      )
      .bind(userId, email, now, tokenHash),
    confirm: db
      .prepare(
        `UPDATE address_changes SET confirmed_at = ?2
         WHERE token_hash = ?1 AND confirmed_at IS NULL AND expires_at > ?2
           AND (SELECT suspended_at FROM users
                WHERE user_id = address_changes.user_id AND deleted_at IS NULL) IS NULL`,
      )
      .bind(tokenHash, now),
  });
  return replies.change.meta.changes > 0;
}

/** Requests whose link is no longer valid. */
export const expiredRequests: ExpiringRows = {
  table: "address_changes",
  key: "user_id",
  isOver: "expires_at <= ?1",
};

/** The open change of a user's address, for a batch. */
export function selectAddressChange(db: D1Database, userId: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT email, requested_at AS requestedAt, expires_at AS expiresAt FROM address_changes
       WHERE user_id = ?1 AND token_hash IS NOT NULL AND confirmed_at IS NULL`,
    )
    .bind(userId);
}

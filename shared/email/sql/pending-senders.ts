import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import { countAgain } from "../../database/day-counts.ts";
import { DAY_MS } from "../../lib/base/clock.ts";
import type { EmailSource } from "./accept.ts";
import {
  findSender,
  firstSender,
  senderColumns,
  tenantExists,
  type OwnedSender,
  type StoredSender,
} from "./senders.ts";

/** SQL of senders that tenants make, until they are verified. */

export const MAX_SENDERS_OF_TENANT = 20;
/** Each goes to an address that the tenant chose. */
export const MAX_LINKS_A_DAY = 20;
/** How long the link is valid. */
const SENDER_LINK_MS = DAY_MS;
/** How long after a look-up of its DNS a sender may ask for the next. */
const LOOK_AGAIN_MS = 10_000;

/** SQL: the tenant may be sent a link. */
const hasLinks = (tenant: string, now: string): string => `NOT EXISTS (
  SELECT 1 FROM sender_links AS l WHERE l.tenant = ${tenant}
    AND l.counted_from > ${now} - ${DAY_MS} AND l.links >= ${MAX_LINKS_A_DAY})`;

/** SQL over a domain, or an address, and its tenant: another tenant has verified the domain. */
const isHeld = (identity: string, tenant: string): string => `EXISTS (
  SELECT 1 FROM senders AS o WHERE o.identity = SUBSTR(${identity}, INSTR(${identity}, '@') + 1)
    AND o.tenant NOT IN (${tenant}, '') AND o.verified_at IS NOT NULL)`;
const isHeldByOther = isHeld("senders.identity", "senders.tenant");

/** SQL over a row of `senders`: its tenant is a suspended user, who confirms nothing. */
const isOfSuspended = `(senders.tenant LIKE 'user:%' AND EXISTS (
  SELECT 1 FROM users AS u WHERE u.user_id = SUBSTR(senders.tenant, 6)
    AND u.suspended_at IS NOT NULL))`;

/** The row that the email with the link is accepted for, in the batch that makes the link. */
export const linkSource = (tokenHash: string): EmailSource => ({
  to: "pending.identity",
  from: "senders AS pending WHERE pending.token_hash = $1 AND pending.verified_at IS NULL",
  values: [tokenHash],
});

/** A link to an address: the hash of its token, and the email that brings it. */
export type Link = { tokenHash: string; email: readonly D1PreparedStatement[] };

type Pending = Pick<StoredSender, "id" | "identity" | "tenant" | "name" | "challenge">;

export type PendingSaved =
  | { tag: "saved"; sender: StoredSender; isNotified: boolean }
  | { tag: "absent" | "taken" | "held" | "too-many" | "too-many-links" };

/** Makes a sender that is pending: nothing is written if the tenant may not have it. */
export async function insertPending(
  db: D1Database,
  { id, identity, tenant, name, challenge }: Pending,
  link: Link | null,
  { now, keyed }: { now: number; keyed: KeyedRequest | null },
): Promise<PendingSaved> {
  const { insert, email, why } = await runBatch(db, {
    insert: db
      .prepare(
        `INSERT INTO senders (id, identity, tenant, name, challenge, token_hash, link_expires_at,
           created_at, updated_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, iif(?6 IS NULL, NULL, ?7 + ${SENDER_LINK_MS}), ?7, ?7
         WHERE ${tenantExists("?3")} AND NOT ${isHeld("?2", "?3")}
           AND (SELECT COUNT(*) FROM senders WHERE tenant = ?3) < ${MAX_SENDERS_OF_TENANT}
           AND (?6 IS NULL OR ${hasLinks("?3", "?7")})
         ON CONFLICT (identity, tenant) DO NOTHING RETURNING ${senderColumns}`,
      )
      .bind(id, identity, tenant, name, challenge, link?.tokenHash ?? null, now),
    email: link?.email ?? [],
    counted: link === null ? [] : [countLink(db, { id, tokenHash: link.tokenHash }, now)],
    why: db
      .prepare(
        `SELECT ${tenantExists("?2")} AS known, ${isHeld("?1", "?2")} AS held,
           EXISTS (SELECT 1 FROM senders WHERE identity = ?1 AND tenant = ?2) AS taken,
           (SELECT COUNT(*) FROM senders WHERE tenant = ?2) >= ${MAX_SENDERS_OF_TENANT} AS tooMany`,
      )
      .bind(identity, tenant),
    answered: insertCreated(db, keyed, now, {
      created: "SELECT id FROM senders WHERE id = ?1",
      bound: [id],
    }),
  });
  const sender = firstSender(insert);
  if (sender !== null) return { tag: "saved", sender, isNotified: isAccepted(email) };
  const [reason] = why.results as Record<"known" | "held" | "taken" | "tooMany", number>[];
  if (reason?.known !== 1) return { tag: "absent" };
  if (reason.taken === 1) return { tag: "taken" };
  if (reason.held === 1) return { tag: "held" };
  return { tag: reason.tooMany === 1 ? "too-many" : "too-many-links" };
}

const isAccepted = ([inserted]: readonly D1Result[]): boolean => (inserted?.meta.changes ?? 0) > 0;

/** Counts a link that was made in the same batch. */
function countLink(
  db: D1Database,
  { id, tokenHash }: { id: string; tokenHash: string },
  now: number,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO sender_links (tenant, links, counted_from)
       SELECT tenant, 1, ?3 FROM senders WHERE id = ?1 AND token_hash = ?2
       ON CONFLICT (tenant) DO UPDATE SET ${countAgain("sender_links", "links", "?4")}`,
    )
    .bind(id, tokenHash, now, now - DAY_MS);
}

/** Makes a new link to an address that is pending, which replaces the one before. */
export async function saveLink(
  db: D1Database,
  { id, tenant }: { id: string; tenant: string },
  { tokenHash, email }: Link,
  now: number,
): Promise<PendingSaved> {
  const replies = await runBatch(db, {
    link: db
      .prepare(
        `UPDATE senders SET token_hash = ?2, link_expires_at = ?4, updated_at = ?5
         WHERE id = ?1 AND tenant = ?3 AND verified_at IS NULL AND INSTR(identity, '@') > 0
           AND NOT ${isHeldByOther} AND ${hasLinks("?3", "?5")} RETURNING ${senderColumns}`,
      )
      .bind(id, tokenHash, tenant, now + SENDER_LINK_MS, now),
    email,
    counted: countLink(db, { id, tokenHash }, now),
    held: db.prepare(`SELECT 1 FROM senders WHERE id = ?1 AND ${isHeldByOther}`).bind(id),
  });
  const sender = firstSender(replies.link);
  if (sender !== null) return { tag: "saved", sender, isNotified: isAccepted(replies.email) };
  const found = await findSender(db, { id, tenant });
  if (found === null) return { tag: "absent" };
  if (found.verifiedAt !== null) return { tag: "saved", sender: found, isNotified: false };
  return { tag: replies.held.results.length > 0 ? "held" : "too-many-links" };
}

/**
 * What a tenant may do to have a domain verified now. `waitMs`: its DNS was just looked up for it.
 */
export type LookUp = { sender: StoredSender; waitMs: number };

/** Begins a look-up of the DNS of a domain that is pending, unless there was just one. */
export async function beginLookUp(
  db: D1Database,
  owned: OwnedSender,
  now: number,
): Promise<LookUp | null> {
  const reply = await db
    .prepare(
      `UPDATE senders SET checked_at = ?3 WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)
       AND verified_at IS NULL AND challenge IS NOT NULL
       AND (checked_at IS NULL OR checked_at <= ?4) RETURNING ${senderColumns}`,
    )
    .bind(owned.id, owned.tenant, now, now - LOOK_AGAIN_MS)
    .all();
  const sender = firstSender(reply);
  if (sender !== null) return { sender, waitMs: 0 };
  const found = await findSender(db, owned);
  return found === null ? null : { sender: found, waitMs: LOOK_AGAIN_MS };
}

/** Verifies a domain whose record was found, unless another tenant has verified it. */
export async function saveVerifiedDomain(
  db: D1Database,
  { id, challenge }: { id: string; challenge: string },
  now: number,
): Promise<StoredSender | null> {
  const reply = await db
    .prepare(
      `UPDATE senders SET verified_at = ?3, verified_by = 'dns', updated_at = ?3
       WHERE id = ?1 AND challenge = ?2 AND verified_at IS NULL
         AND NOT ${isHeldByOther} RETURNING ${senderColumns}`,
    )
    .bind(id, challenge, now)
    .all();
  return firstSender(reply);
}

/** The sender of a link, while the link is valid and no other tenant has verified its domain. */
export async function findByToken(
  db: D1Database,
  tokenHash: string,
  now: number,
): Promise<SenderOfLink | null> {
  const reply = await db
    .prepare(
      `SELECT ${senderColumns}, ${isOfSuspended} AS suspended FROM senders
       WHERE token_hash = ?1 AND link_expires_at > ?2
         AND (verified_at IS NOT NULL OR NOT ${isHeldByOther})`,
    )
    .bind(tokenHash, now)
    .all<{ suspended: number }>();
  const sender = firstSender(reply);
  return sender === null ? null : { ...sender, suspended: reply.results[0]?.suspended === 1 };
}

/** `suspended`: its tenant is. */
export type SenderOfLink = StoredSender & { suspended: boolean };

/** Whether `saveVerifiedAddress` verifies it, for a statement in its batch. */
export const whileUnverified = (
  tokenHash: string,
  now: number,
): { condition: string; bound: string } => ({
  condition: `EXISTS (SELECT 1 FROM senders
    WHERE token_hash = ?1 AND link_expires_at > ${now} AND verified_at IS NULL
      AND NOT ${isHeldByOther} AND NOT ${isOfSuspended})`,
  bound: tokenHash,
});

/** Verifies an address by its link. A repeat changes nothing, nor does a suspended tenant. */
export async function saveVerifiedAddress(
  db: D1Database,
  tokenHash: string,
  along: readonly D1PreparedStatement[],
  now: number,
): Promise<void> {
  await runBatch(db, {
    along,
    verify: db
      .prepare(
        `UPDATE senders SET verified_at = ?2, verified_by = 'link', updated_at = ?2
         WHERE token_hash = ?1 AND link_expires_at > ?2 AND verified_at IS NULL
           AND NOT ${isHeldByOther} AND NOT ${isOfSuspended}`,
      )
      .bind(tokenHash, now),
  });
}

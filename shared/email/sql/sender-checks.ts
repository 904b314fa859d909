import { runBatch } from "../../database/batch.ts";
import { countRows } from "../../database/expiring.ts";
import { CHECK_EVERY_MS, type Checked } from "../rules/sender-check.ts";
import type { EmailSource } from "./accept.ts";

/** SQL of checking again whether the DNS has the records of verified domains. */

export type VerifiedDomain = {
  id: string;
  identity: string;
  tenant: string;
  challenge: string;
  missingSince: number | null;
};

const isDue = `senders WHERE verified_by = 'dns' AND checked_at <= ?1 - ${CHECK_EVERY_MS}`;

/** Domains that are to be checked, the one that waits for longest first. */
export async function domainsToCheck(
  db: D1Database,
  now: number,
  limit: number,
): Promise<VerifiedDomain[]> {
  const { results } = await db
    .prepare(
      `SELECT id, identity, tenant, challenge, missing_since AS missingSince FROM ${isDue}
       ORDER BY checked_at, id LIMIT ?2`,
    )
    .bind(now, limit)
    .all<VerifiedDomain>();
  return results;
}

/** How many are to be checked, counted up to `limit`. */
export async function countToCheck(db: D1Database, now: number, limit: number): Promise<number> {
  return await countRows(db, isDue, [now, limit]);
}

/** SQL over `senders`: it is as it was when it was checked, so that a newer proof stands. */
const unchanged = "verified_by = 'dns' AND challenge =";

/** The owner of a domain that `saveChecks` makes unverified, for an email in its batch. */
export const ownerOf = ({ id, challenge }: Checked): EmailSource => ({
  to: "u.email",
  from: `senders AS s JOIN users AS u ON u.user_id = SUBSTR(s.tenant, 6)
    WHERE s.id = $1 AND s.tenant LIKE 'user:%' AND u.deleted_at IS NULL
      AND s.verified_by = 'dns' AND s.challenge = $2`,
  values: [id, challenge],
});

/**
 * @param emails the statements that accept an email about one that is over
 * @returns whether it was accepted
 */
export async function saveChecks(
  db: D1Database,
  checked: readonly Checked[],
  emails: readonly D1PreparedStatement[],
  now: number,
): Promise<boolean> {
  const replies = await runBatch(db, {
    emails,
    checks: db
      .prepare(
        `UPDATE senders SET checked_at = c.value ->> 'checkedAt',
           missing_since = iif(c.value ->> 'isOver', NULL, c.value ->> 'missingSince'),
           verified_at = iif(c.value ->> 'isOver', NULL, verified_at),
           verified_by = iif(c.value ->> 'isOver', NULL, verified_by),
           updated_at = iif(c.value ->> 'isOver', ?2, updated_at)
         FROM json_each(?1) AS c
         WHERE senders.id = c.value ->> 'id' AND ${unchanged} c.value ->> 'challenge'`,
      )
      .bind(JSON.stringify(checked), now),
  });
  return (replies.emails[0]?.meta.changes ?? 0) > 0;
}

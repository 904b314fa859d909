import { runBatch } from "../../database/batch.ts";
import type { SuppressionReport } from "../rules/resend-feedback.ts";
import { isForAll, type Suppression, type SuppressionScope } from "../rules/suppressions.ts";
import type { EmailCategory } from "../schemas.ts";

/**
 * SQL of suppressed addresses, which are compared without case. `suppressions` has those of every
 * tenant for all emails or all that are not transactional, as the release before has them;
 * `scoped_suppressions` has the others.
 */

/** What statements answer of a suppression: see `suppressionFrom`. */
export const wideColumns = `id, address, '' AS tenant, scope, reason, note,
  created_at AS createdAt`;
export const scopedColumns = "id, address, tenant, scope, reason, note, created_at AS createdAt";

export type SuppressionRow = Omit<Suppression, "tenant"> & { id: number | string; tenant: string };
export type StoredSuppression = Suppression & { id: string };

export const suppressionFrom = ({ id, tenant, ...row }: SuppressionRow): StoredSuppression => ({
  ...row,
  id: String(id),
  tenant: tenant === "" ? null : tenant,
});

/** SQL: an id for a row of `scoped_suppressions`. It sorts after each number. */
const newScopedId = "'s_' || LOWER(HEX(RANDOMBLOB(16)))";

/**
 * Suppresses an address, or changes the reason and the note of a suppression.
 *
 * @returns the suppression as it is stored
 */
export async function saveSuppression(
  db: D1Database,
  one: Suppression,
): Promise<StoredSuppression> {
  const { address, tenant, scope, reason, note, createdAt } = one;
  const saved = isForAll(one)
    ? db
        .prepare(
          `INSERT INTO suppressions (address, scope, reason, note, created_at)
           VALUES (LOWER(?1), ?2, ?3, ?4, ?5)
           ON CONFLICT (address, scope) DO UPDATE SET reason = ?3, note = ?4
           RETURNING ${wideColumns}`,
        )
        .bind(address, scope, reason, note, createdAt)
    : db
        .prepare(
          `INSERT INTO scoped_suppressions (id, address, tenant, scope, reason, note, created_at)
           VALUES (${newScopedId}, LOWER(?1), ?6, ?2, ?3, ?4, ?5)
           ON CONFLICT (address, tenant, scope) DO UPDATE SET reason = ?3, note = ?4
           RETURNING ${scopedColumns}`,
        )
        .bind(address, scope, reason, note, createdAt, tenant ?? "");
  const row = await saved.first<SuppressionRow>();
  if (row === null) throw new Error("D1 returned no row for what it wrote");
  return suppressionFrom(row);
}

/**
 * Suppresses addresses. What is suppressed already keeps its time and reason.
 *
 * @returns how many were not suppressed before
 */
export async function insertSuppressions(
  db: D1Database,
  list: readonly Suppression[],
): Promise<number> {
  const wide = list.filter(isForAll);
  const scoped = list.filter((one) => !isForAll(one));
  const fields = `LOWER(value ->> 'address'), value ->> 'scope', value ->> 'reason',
    value ->> 'note', value ->> 'createdAt'`;
  const { added } = await runBatch(db, {
    added: [
      db
        .prepare(
          `INSERT INTO suppressions (address, scope, reason, note, created_at)
           SELECT ${fields} FROM json_each(?1) WHERE TRUE
           ON CONFLICT (address, scope) DO NOTHING RETURNING id`,
        )
        .bind(JSON.stringify(wide)),
      db
        .prepare(
          `INSERT INTO scoped_suppressions (address, scope, reason, note, created_at, tenant, id)
           SELECT ${fields}, COALESCE(value ->> 'tenant', ''), ${newScopedId}
           FROM json_each(?1) WHERE TRUE
           ON CONFLICT (address, tenant, scope) DO NOTHING RETURNING id`,
        )
        .bind(JSON.stringify(scoped)),
    ],
  });
  return added.reduce((sum, { results }) => sum + results.length, 0);
}

/** Who unsubscribes from an email, and what kind of email it is. */
export type Unsubscriber = { address: string; category: EmailCategory };

export async function recipientOf(db: D1Database, emailId: string): Promise<Unsubscriber | null> {
  return await db
    .prepare("SELECT to_address AS address, category FROM emails WHERE id = ?1")
    .bind(emailId)
    .first<Unsubscriber>();
}

/** SQL over both tables: a person unsubscribed with the address `?1`, from every tenant. */
const unsubscribed = {
  suppressions: "suppressions WHERE address = LOWER(?1) AND reason = 'unsubscribe'",
  scoped: `scoped_suppressions WHERE address = LOWER(?1) AND tenant = ''
    AND reason = 'unsubscribe'`,
};

/** What a person unsubscribed from. Empty if there is nothing. */
export async function unsubscribedFrom(
  db: D1Database,
  address: string,
): Promise<SuppressionScope[]> {
  const { results } = await db
    .prepare(
      `SELECT scope FROM ${unsubscribed.suppressions}
       UNION ALL SELECT scope FROM ${unsubscribed.scoped}`,
    )
    .bind(address)
    .all<{ scope: SuppressionScope }>();
  return results.map(({ scope }) => scope);
}

/** Lifts what a person unsubscribed from. What suppresses the address for another reason stays. */
export async function resubscribe(db: D1Database, address: string): Promise<void> {
  await db.batch(
    Object.values(unsubscribed).map((from) => db.prepare(`DELETE FROM ${from}`).bind(address)),
  );
}

/** Which suppressions of an address: null for any. `tenant`: empty for those of every tenant. */
export type WhichOfAddress = {
  address: string;
  tenant: string | null;
  scope: SuppressionScope | null;
};

/** @returns whether it was suppressed */
export async function deleteSuppression(
  db: D1Database,
  { address, tenant, scope }: WhichOfAddress,
): Promise<boolean> {
  const replies = await db.batch([
    db
      .prepare(
        `DELETE FROM suppressions WHERE address = LOWER(?1) AND COALESCE(?2, '') = ''
           AND (?3 IS NULL OR scope = ?3) RETURNING id`,
      )
      .bind(address, tenant, scope),
    db
      .prepare(
        `DELETE FROM scoped_suppressions WHERE address = LOWER(?1)
           AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR scope = ?3) RETURNING id`,
      )
      .bind(address, tenant, scope),
  ]);
  return replies.some(({ results }) => results.length > 0);
}

/**
 * Takes over what a provider changed in its own list: once per message. What a person suppressed
 * here stays, and so does what came after the provider's change.
 */
export async function mirrorSuppression(
  db: D1Database,
  {
    provider,
    messageId,
    report,
  }: { provider: string; messageId: string; report: SuppressionReport },
  now: number,
): Promise<void> {
  const { change, address, reason, at } = report;
  const note = `${provider}: ${MIRRORED}`;
  const isNew = `NOT EXISTS (SELECT 1 FROM webhook_messages
    WHERE provider = ?1 AND message_id = ?2)`;
  await db.batch([
    change === "added"
      ? db
          .prepare(
            `INSERT INTO suppressions (address, scope, reason, note, created_at)
             SELECT LOWER(?3), 'all', ?4, ?5, ?6 WHERE ${isNew}
             ON CONFLICT (address, scope) DO NOTHING`,
          )
          .bind(provider, messageId, address, reason, note, at)
      : db
          .prepare(
            `DELETE FROM suppressions WHERE address = LOWER(?3) AND scope = 'all'
             AND (reason IN ('bounce', 'complaint') OR (reason = 'manual' AND note = ?4))
             AND created_at <= ?5 AND ${isNew}`,
          )
          .bind(provider, messageId, address, note, at),
    db
      .prepare(
        `INSERT INTO webhook_messages (provider, message_id, received_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (provider, message_id) DO NOTHING`,
      )
      .bind(provider, messageId, now),
  ]);
}

/** The note of a suppression that was a provider's own. */
const MIRRORED = "on the provider's list of suppressions";

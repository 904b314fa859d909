import { runBatch } from "../../database/batch.ts";
import type { DailyLimits, ReachedLimit } from "../rules/daily-limits.ts";
import type { WantedFiles, WhyNoFiles } from "../rules/file.ts";
import type { NamedSender } from "../rules/senders.ts";
import type { SuppressionReason } from "../rules/suppressions.ts";
import { insertEmails, newRowWithRecipients, type NewEmail } from "./accept.ts";
import { fromJson, type Json } from "./columns.ts";
import { countAccepted, roomOf, type HeldTo } from "./daily-limits.ts";
import { KEPT_MS, needsItsKey } from "./idempotency-keys.ts";
import {
  hasItsFiles,
  insertStoredFiles,
  linkFiles,
  whyNoFiles,
  type StoredFile,
} from "./named-files.ts";
import { maySend, whyNot, withSender, type WhyNot } from "./named-sender.ts";
import { isSuppressedFor, whySuppressed } from "./suppressed.ts";

/**
 * SQL of emails that callers hand in: suppression, Idempotency-Key, email and answer in one batch,
 * for any number of emails. Each is accepted or refused by itself.
 */

/**
 * `key`: the Idempotency-Key, with the hashes of the request that it holds to: of how it is
 * written, and of what it means. `former`: the name under which an earlier release stored the key.
 * `named`: the sender that it names, whose name stands in `from` only if the email gives one.
 */
export type Submitted = NewEmail & {
  named?: NamedSender | null;
  /** How many its tenant may hand in per day; any number by default. */
  limits?: DailyLimits | null;
  /** Absent if it names no uploaded file. */
  files?: WantedFiles;
  /** Those that came within it and that R2 has. */
  newFiles?: readonly StoredFile[];
  key: {
    name: string;
    former: string | null;
    requestHash: string;
    canonicalHash: string;
  } | null;
};

/** What became of an email. `absent`: it is not there, for no known reason. */
export type Verdict =
  | { tag: "accepted" }
  /** The key was used before. `acceptedAt`: null once that email is deleted. */
  | {
      tag: "replayed";
      emailId: string;
      requestHash: string;
      /** Null: an earlier release stored it. */
      canonicalHash: string | null;
      acceptedAt: number | null;
    }
  | { tag: "suppressed"; reason: SuppressionReason }
  | { tag: "limited"; by: ReachedLimit }
  | { tag: "no-sender"; because: WhyNot }
  | { tag: "no-files"; because: WhyNoFiles }
  | { tag: "absent" };

const asked = {
  address: "COALESCE(r.value ->> 'address', m.value ->> 'to')",
  tenant: "m.value ->> 'tenant'",
  category: "m.value ->> 'category'",
};

/** SQL over a recipient `r` of a row `m`: that one is suppressed. */
const isSuppressed = isSuppressedFor(asked);

const recipients = "json_each(m.value -> 'recipients') AS r";

/** SQL over a row `m`: one of its recipients is not suppressed. */
const hasRecipient = `EXISTS (SELECT 1 FROM ${recipients} WHERE NOT ${isSuppressed})`;

/** SQL over a row `m`: why its first recipient is suppressed. */
const suppression = `SELECT ${whySuppressed(asked)} FROM ${recipients}
  WHERE ${isSuppressed} ORDER BY r.key LIMIT 1`;

/**
 * SQL over a row `m`: the name of its key, which is the former one if an earlier release has stored
 * that.
 */
const keyName = `iif(m.value ->> 'formerKey' IS NOT NULL AND EXISTS (
    SELECT 1 FROM idempotency_keys AS f WHERE f.tenant = m.value ->> 'tenant'
      AND f.key = m.value ->> 'formerKey' AND f.canonical_hash IS NULL),
  m.value ->> 'formerKey', m.value ->> 'key')`;

/** SQL over a row `m`: it came without a key, or has its key. */
const holdsItsKey = `(m.value ->> 'key' IS NULL OR EXISTS (SELECT 1 FROM idempotency_keys AS k
  WHERE k.tenant = m.value ->> 'tenant' AND k.key = ${keyName}
    AND k.email_id = m.value ->> 'id'))`;

/**
 * Accepts emails, unless all their recipients are suppressed, their key was used, they may not use
 * the sender that they name, or a file that they name is not there. A key of an email that is
 * refused stays free. A suppressed recipient beside others is left out.
 *
 * @param along statements of the caller's that are committed with them
 * @returns in the order of `emails`
 */
export async function acceptEach(
  db: D1Database,
  emails: readonly Submitted[],
  now: number,
  along: readonly D1PreparedStatement[],
): Promise<Verdict[]> {
  const rows = rowsOf(emails, now);
  const held = heldTo(emails, now);
  const room = held === null ? null : roomOf(held, 2);
  // Emails without a key, sender or file run no statement about them.
  const withKey = emails.some(hasKey);
  const nameOne = emails.some(namesSender);
  const nameFiles = emails.some(namesFiles);
  const isWanted = [
    hasRecipient,
    ...(nameOne ? [maySend] : []),
    ...(nameFiles ? [hasItsFiles] : []),
  ].join(" AND ");
  const replies = await runBatch(db, {
    keys: withKey ? takeKeys(db, { rows, isWanted }, now) : [],
    ...insertEmails(db, emails, rows, {
      ...(nameOne && withSender),
      where: `${isWanted} AND ${holdsItsKey}`,
      ...(room !== null && {
        // A negative limit is none.
        limit: `MAX(0, MIN(${room.own}, ${room.all}))`,
        values: room.values,
      }),
      state: `iif(${isSuppressed}, 'suppressed', NULL)`,
    }),
    files: nameFiles ? [linkFiles(db, rows)] : [],
    newFiles: emails.some(bringsFiles) ? insertStoredFiles(db, rows, now) : [],
    counted: held === null ? [] : [countAccepted(db, rows, held)],
    freed: held === null || !withKey ? [] : [freeKeys(db, rows)],
    along,
    verdicts: selectVerdicts(db, emails, { rows, held }, now),
  });
  return verdictsOf(replies.verdicts);
}

const hasKey = ({ key }: Submitted): boolean => key !== null;
const namesSender = ({ named }: Submitted): boolean => named !== undefined && named !== null;
const namesFiles = ({ files }: Submitted): boolean => files !== undefined;
const bringsFiles = ({ newFiles }: Submitted): boolean => newFiles !== undefined;

/** SQL of whether one of the emails was accepted, with `bound` as `?1`. */
export const areThere = (emails: readonly Submitted[]): { condition: string; bound: string } => ({
  condition: "EXISTS (SELECT 1 FROM json_each(?1) AS m JOIN emails AS e ON e.id = m.value)",
  bound: JSON.stringify(emails.map(({ id }) => id)),
});

/** What became of emails when the reply of `acceptEach` was lost. */
export async function rereadVerdicts(
  db: D1Database,
  emails: readonly Submitted[],
  now: number,
): Promise<Verdict[]> {
  const read = { rows: rowsOf(emails, now), held: heldTo(emails, now) };
  return verdictsOf(await selectVerdicts(db, emails, read, now).all());
}

/** Emails that are accepted together have one tenant. */
function heldTo([first]: readonly Submitted[], now: number): HeldTo | null {
  const limits = first?.limits ?? null;
  return first === undefined || limits === null ? null : { limits, tenant: first.tenant, now };
}

/**
 * Forgets keys that are over, and takes those of the emails unless another email has them.
 * `isWanted`: SQL over a row `m`.
 */
const takeKeys = (
  db: D1Database,
  { rows, isWanted }: { rows: string; isWanted: string },
  now: number,
): D1PreparedStatement[] => [
  db
    .prepare(
      `DELETE FROM idempotency_keys WHERE (tenant, key) IN (
         SELECT m.value ->> 'tenant', ${keyName} FROM json_each(?1) AS m
         WHERE m.value ->> 'key' IS NOT NULL) AND expires_at <= ?2
         AND NOT EXISTS (SELECT 1 FROM emails AS e
                         WHERE e.id = email_id AND ${needsItsKey("?2")})`,
    )
    .bind(rows, now),
  db
    .prepare(
      `INSERT INTO idempotency_keys
         (tenant, key, request_hash, canonical_hash, email_id, expires_at)
       SELECT m.value ->> 'tenant', ${keyName}, m.value ->> 'requestHash',
         m.value ->> 'canonicalHash', m.value ->> 'id', ?2 FROM json_each(?1) AS m
       WHERE m.value ->> 'key' IS NOT NULL AND ${isWanted}
       ON CONFLICT (tenant, key) DO NOTHING`,
    )
    .bind(rows, now + KEPT_MS),
];

/** Keys of emails that a limit refused. */
const freeKeys = (db: D1Database, rows: string): D1PreparedStatement =>
  db
    .prepare(
      `DELETE FROM idempotency_keys WHERE (tenant, key) IN (
         SELECT m.value ->> 'tenant', ${keyName} FROM json_each(?1) AS m
         WHERE m.value ->> 'key' IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM emails AS e WHERE e.id = m.value ->> 'id'))
       AND +email_id IN (SELECT m.value ->> 'id' FROM json_each(?1) AS m)`,
    )
    .bind(rows);

const rowsOf = (emails: readonly Submitted[], now: number): string =>
  JSON.stringify(
    emails.map((email) => ({
      ...newRowWithRecipients(email, now),
      ...(namesSender(email) && { named: email.named }),
      ...(namesFiles(email) && { files: email.files }),
      ...(bringsFiles(email) && { newFiles: email.newFiles }),
      key: email.key?.name ?? null,
      formerKey: email.key?.former ?? null,
      requestHash: email.key?.requestHash ?? null,
      canonicalHash: email.key?.canonicalHash ?? null,
    })),
  );

function selectVerdicts(
  db: D1Database,
  emails: readonly Submitted[],
  { rows, held }: { rows: string; held: HeldTo | null },
  now: number,
): D1PreparedStatement {
  const room = held === null ? null : roomOf(held, 3);
  const noSender = emails.some(namesSender) ? whyNot : "NULL";
  const noFiles = emails.some(namesFiles) ? whyNoFiles : "NULL";
  return db
    .prepare(
      `SELECT a.id IS NOT NULL AS accepted,
         iif(k.expires_at > ?2 OR ${needsItsKey("?2")}, k.email_id, NULL) AS emailId,
         k.request_hash AS requestHash, k.canonical_hash AS canonicalHash,
         e.created_at AS acceptedAt, ${noSender} AS noSender, ${noFiles} AS noFiles,
         iif(${hasRecipient}, NULL, (${suppression})) AS reason,
         ${room === null ? "NULL" : limitedBy(room)} AS limited
       FROM json_each(?1) AS m
       LEFT JOIN emails AS a ON a.id = m.value ->> 'id'
       LEFT JOIN idempotency_keys AS k ON k.tenant = m.value ->> 'tenant'
         AND k.key = ${keyName}
       LEFT JOIN emails AS e ON e.id = k.email_id ORDER BY m.key`,
    )
    .bind(rows, now, ...(room?.values ?? []));
}

/** SQL: which limit has no room, once those that were accepted are counted. */
const limitedBy = ({ own, all }: { own: string; all: string }): string =>
  `CASE WHEN ${own} <= 0 THEN 'own' WHEN ${all} <= 0 THEN 'all' END`;

type VerdictRow = {
  accepted: number;
  emailId: string | null;
  requestHash: string | null;
  canonicalHash: string | null;
  acceptedAt: number | null;
  noSender: WhyNot | null;
  noFiles: Json<WhyNoFiles> | null;
  reason: SuppressionReason | null;
  limited: ReachedLimit | null;
};

const verdictsOf = (reply: D1Result): Verdict[] =>
  (reply.results as VerdictRow[]).map(
    ({ accepted, emailId, requestHash, canonicalHash, acceptedAt, ...why }): Verdict => {
      if (accepted === 1) return { tag: "accepted" };
      if (emailId !== null && requestHash !== null)
        return { tag: "replayed", emailId, requestHash, canonicalHash, acceptedAt };
      const { noSender, noFiles, reason, limited } = why;
      if (noSender !== null) return { tag: "no-sender", because: noSender };
      if (noFiles !== null) return { tag: "no-files", because: fromJson(noFiles) };
      if (reason !== null) return { tag: "suppressed", reason };
      return limited === null ? { tag: "absent" } : { tag: "limited", by: limited };
    },
  );

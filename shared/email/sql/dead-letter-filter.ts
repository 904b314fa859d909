import type { DeadReason } from "../rules/dead-reasons.ts";

/** SQL of the filters of dead letters. */

/**
 * Which dead letters: each field that is there narrows it down. `buriedBefore` in milliseconds
 * since the epoch.
 */
export type DeadLetterFilter = {
  kind?: "email" | "poison" | undefined;
  reason?: DeadReason | undefined;
  tenant?: string | undefined;
  to?: string | undefined;
  buriedBefore?: number | undefined;
};

/** Only an email has a tenant, or one of the reasons that can be filtered by. */
export const matchesNone = ({ kind, reason, tenant }: DeadLetterFilter): boolean =>
  kind === "poison" && (reason !== undefined || tenant !== undefined);

/**
 * The conditions of a filter as SQL over `d` (the dead letter), with the filter as JSON in `?1`.
 * What is not filtered by is not in the text, so that SQLite uses the index of what is. The
 * recipient is not among these conditions. A reason or a tenant makes it an email.
 */
const conditionsOf = ({ kind, reason, tenant, buriedBefore }: DeadLetterFilter): string[] => [
  ...(kind === undefined || (reason ?? tenant) !== undefined ? [] : ["d.kind = ?1 ->> 'kind'"]),
  ...(reason === undefined ? [] : ["d.reason = ?1 ->> 'reason'"]),
  ...(tenant === undefined ? [] : ["d.tenant = ?1 ->> 'tenant'"]),
  ...(buriedBefore === undefined ? [] : ["d.buried_at < ?1 ->> 'buriedBefore'"]),
];

/** Of a recipient with more dead emails, the newest are searched. */
const MAX_DEAD_OF_RECIPIENT = 1_000;

/**
 * The dead letters of a recipient are found by the recipient's emails: SQLite keeps to the order of
 * a CROSS JOIN.
 *
 * @param join `CROSS`: without those that have no email
 */
export function deadLettersOf(
  filter: DeadLetterFilter,
  join: "LEFT" | "CROSS",
  also: string,
): string {
  const where = [...conditionsOf(filter), also].join(" AND ");
  return filter.to === undefined
    ? `dead_letters d ${join} JOIN emails e ON e.id = d.id WHERE ${where}`
    : `(SELECT email_id FROM email_recipients
          WHERE LOWER(address) = LOWER(?1 ->> 'to') AND trouble = 'dead' AND trouble IS NOT NULL
          ORDER BY created_at DESC, email_id DESC LIMIT ${MAX_DEAD_OF_RECIPIENT}) r
         CROSS JOIN dead_letters d ON d.id = r.email_id
         CROSS JOIN emails e ON e.id = r.email_id
       WHERE ${where}`;
}

import type { EmailCategory } from "../schemas.ts";

/** SQL of whether an address gets an email, and why not. */

/** SQL for the address, for the tenant of the email and for its category. */
type Asked = { address: string; tenant: string; category: string };

const transactional = "transactional" satisfies EmailCategory;

/**
 * SQL: the suppressions `s` of each table that stop the email. An address has a few of them: the
 * plus keeps SQLite from a look-up for each tenant.
 */
const stopping = ({ address, tenant, category }: Asked): [string, string] => [
  `suppressions AS s WHERE s.address = LOWER(${address})
     AND (s.scope = 'all' OR ${category} <> '${transactional}')`,
  `scoped_suppressions AS s WHERE s.address = LOWER(${address}) AND +s.tenant IN ('', ${tenant})
     AND (s.scope = 'all' OR (${category} <> '${transactional}'
       AND s.scope IN ('non-transactional', ${category})))`,
];

/** SQL: the address is suppressed for the email. */
export const isSuppressedFor = (asked: Asked): string =>
  `(${stopping(asked)
    .map((rows) => `EXISTS (SELECT 1 FROM ${rows})`)
    .join(" OR ")})`;

/** SQL: why it is. One of every tenant wins, and one for all categories. */
export const whySuppressed = (asked: Asked): string =>
  `COALESCE(${stopping(asked)
    .map((rows) => `(SELECT s.reason FROM ${rows} ORDER BY s.scope LIMIT 1)`)
    .join(", ")})`;
